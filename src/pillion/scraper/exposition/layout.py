"""What stays the same from page to page, in as few bytes as will do, to be compared with the next one.

For a page of 100,000 series that is the page without its values, two bytes per line, and the labels.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.scraper.exposition.page import PageSeries
    from pillion.scraper.exposition.starts import StartPlan
    from pillion.scraper.labels import Labels

OTHER, PLAIN, EXTENDED = 0, 1, 2
"""Kinds of lines: no sample; series, space, value; a sample with a time or an exemplar."""

_INVERTED = bytes([1, 0, 0]) + bytes(253)
_CLASS_MASKS = tuple(bytes(number == wanted for number in range(256)) for wanted in range(3))

Known: TypeAlias = "tuple[dict[bytes, Labels], dict[bytes, Labels], dict[bytes, Labels]]"
"""Series text to labels, for each class."""
UNKNOWN: Known = ({}, {}, {})


class Layout:
    __slots__ = ("classes", "kinds", "labels", "others", "others_mask", "plan", "series", "texts")

    def __init__(
        self,
        *,
        kinds: bytes,
        texts: Iterable[bytes],
        others: Iterable[bytes],
        labels: tuple[Labels, ...],
        classes: bytes,
        series: PageSeries,
        plan: StartPlan | None,
    ) -> None:
        self.kinds = kinds
        """Of the lines, a byte each."""
        self.others_mask = kinds.translate(_INVERTED)
        self.texts = b"\n".join((*texts, b""))
        """Of the series, a line each: as written, up to the space before the value."""
        self.others = b"\n".join((*others, b""))
        """The lines that are no samples."""
        self.labels = labels
        """Of all series, `_created` ones included even where they are starts."""
        self.classes = classes
        """Of the series, a byte each: whether their labels hang on the type before them (`anew.CLASSES`)."""
        self.series = series
        self.plan = plan

    def known(self) -> Known:
        """Made when it is needed: kept, it would cost more than all the rest."""
        texts = self.texts.split(b"\n")
        texts.pop()
        if not any(self.classes):
            return (dict(zip(texts, self.labels, strict=True)), {}, {})
        masks = [self.classes.translate(mask) for mask in _CLASS_MASKS]
        first, second, third = (
            dict(zip(compress(texts, mask), compress(self.labels, mask), strict=True)) for mask in masks
        )
        return first, second, third
