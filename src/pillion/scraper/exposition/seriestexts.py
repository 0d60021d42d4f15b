"""Series texts as nearly all pages have them, to labels: many at once, with what they have in common worked out once.

Everything here takes a part of what the careful parsers take, and gives the same.
"""

from __future__ import annotations

import re
from operator import itemgetter
from sys import intern
from typing import TYPE_CHECKING

from pillion.scraper.exposition.entries import NAME, normalized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pillion.scraper.labels import Labels

_METRIC = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
_PAIR = re.compile(rb'([a-zA-Z_][a-zA-Z0-9_]*)="([^"\\\n\0]*)')

_MOST_WHOLES = 4096
"""So that a page whose series have nothing in common does not pay for it."""

Pair = tuple[str, str]
Cut = tuple[bytes, bytes, bytes]
"""A series' text before its first brace, the brace, and the rest; as `bytes.partition` gives it."""


class _Arrangement:
    """How labels that are written in one order are sorted, the metric's name before them."""

    __slots__ = ("at", "last", "metric_at", "sort")

    def __init__(self, names: tuple[str, ...]) -> None:
        """`names` as written."""
        all_names = (NAME, *names)
        order = sorted(range(len(all_names)), key=all_names.__getitem__)
        self.sort: Callable[[Labels], Labels] | None = itemgetter(*order) if order != sorted(order) else None
        """None: they are sorted already."""
        self.last = names[-1]
        """The label that is written last, and where it comes to stand."""
        self.at = order.index(len(names))
        self.metric_at = order.index(0)


class _Vocabulary:
    """Label texts of one page under one type."""

    __slots__ = ("ends", "pairs", "wholes")

    def __init__(self) -> None:
        self.wholes: dict[bytes, tuple[Labels, Labels]] = {}
        """All labels of a series, from the brace on: those that are sorted before the metric's name, and after it.
        Metrics of the same things have the same."""
        self.pairs: dict[bytes, Pair] = {}
        """By name and value up to the closing quote."""
        self.ends: dict[bytes, Pair] = {}
        """Those that were written last, by their text to the closing brace."""


class SeriesTexts:
    """For the series of one page that were not known."""

    __slots__ = ("_arrangements", "_metrics", "_vocabularies")

    def __init__(self) -> None:
        self._metrics: dict[bytes, Pair] = {}
        self._vocabularies: dict[str, _Vocabulary] = {}
        self._arrangements: dict[tuple[str, ...], _Arrangement] = {}

    def labels(self, cuts: Iterable[Cut], family_type: str) -> list[Labels] | None:
        """Of each, normalized. None: some of them are no plain series texts.

        Raises ValueError for text that is not UTF-8.
        """
        words = self._vocabularies.get(family_type)
        if words is None:
            words = self._vocabularies[family_type] = _Vocabulary()
        if len(words.wholes) > _MOST_WHOLES:
            words.wholes.clear()
        wholes, ends, pairs = words.wholes, words.ends, words.pairs
        metrics, arrangements = self._metrics, self._arrangements
        found: list[Labels] = []
        before_metric, before_head, last_name = b"", b"{", ""  # of a series that others may be like
        left: Labels = ()
        right: Labels = ()
        for metric, brace, rest in cuts:
            whole = wholes.get(rest)
            if whole is not None and (named := metrics.get(metric)) is not None:
                found.append((*whole[0], named, *whole[1]))
                continue
            head, _, last = rest.rpartition(b",")
            if head == before_head and metric == before_metric:
                # Nothing but the last label may differ from the series before: the buckets of a histogram.
                pair = ends.get(last)
                if pair is not None and pair[0] == last_name:
                    found.append((*left, pair, *right))
                    continue
            named = metrics.get(metric) or self._named(metric)
            if named is None:
                return None
            if rest[-2:] != b'"}':
                if rest != (b"}" if brace else b""):
                    return None
                found.append((named,))
                continue
            pieces = rest[:-2].split(b'",')
            try:
                labels = [pairs[piece] for piece in pieces]
            except KeyError:
                labels = _pairs(pieces, pairs, family_type)
            names = tuple([pair[0] for pair in labels])
            arrangement = arrangements.get(names) or self._arrangement(names)
            if arrangement is None:
                return None
            arranged: Labels = (named, *labels)
            if arrangement.sort is not None:
                arranged = arrangement.sort(arranged)
            found.append(arranged)
            wholes[rest] = arranged[: arrangement.metric_at], arranged[arrangement.metric_at + 1 :]
            if head[-1:] == b'"':
                ends[last] = labels[-1]
                before_metric, before_head, last_name = metric, head, arrangement.last
                left, right = arranged[: arrangement.at], arranged[arrangement.at + 1 :]
        return found

    def _arrangement(self, names: tuple[str, ...]) -> _Arrangement | None:
        """None: they are none, or one comes twice, which is for others to judge."""
        if not names or len({NAME, *names}) == len(names):
            return None
        found = self._arrangements[names] = _Arrangement(names)
        return found

    def _named(self, metric: bytes) -> Pair | None:
        if not _METRIC.fullmatch(metric):
            return None
        named = self._metrics[metric] = (NAME, intern(metric.decode()))
        return named


def _pairs(pieces: list[bytes], known: dict[bytes, Pair], family_type: str) -> list[Pair]:
    """Empty: one of them is none."""
    found = []
    for piece in pieces:
        pair = known.get(piece)
        if pair is None:
            match = _PAIR.fullmatch(piece)
            if match is None:
                return []
            name, value = match.groups()
            (pair,) = normalized(((intern(name.decode()), value.decode()),), family_type)
            known[piece] = pair
        found.append(pair)
    return found
