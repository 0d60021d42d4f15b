"""The final labels of a page's series: the target's are added, conflicts resolved, relabelled, checked. Pure.

Prometheus' scrape/scrape.go: mutateSampleLabels, resolveConflictingExposedLabels, verifyLabelLimits.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from pillion.scraper.labels import ValidationScheme, is_label_name, is_metric_name
from pillion.scraper.scraping import failures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pillion.scraper.labels import Labels, Relabelling

NAME = "__name__"
_RESERVED = "__"
_EXPORTED = "exported_"


class LabelLimits(msgspec.Struct, frozen=True, kw_only=True):
    """0: none. Lengths are in bytes."""

    labels: int = 0
    name_length: int = 0
    value_length: int = 0

    def __bool__(self) -> bool:
        return bool(self.labels or self.name_length or self.value_length)


def public_labels(labels: Labels) -> Labels:
    """Those of a target that its series get."""
    return tuple(pair for pair in labels if not pair[0].startswith(_RESERVED))


class SampleLabels:
    """For one target."""

    __slots__ = (
        "_checks_names",
        "_honors",
        "_limits",
        "_names",
        "_pairs",
        "_relabelling",
        "_scheme",
        "_target",
    )

    def __init__(
        self,
        target: Labels,
        *,
        honor_labels: bool,
        relabelling: Relabelling,
        limits: LabelLimits,
        scheme: ValidationScheme,
    ) -> None:
        """`target` are its public labels, `relabelling` is metric_relabel_configs."""
        self._target = target
        self._names = frozenset(name for name, _ in target)
        self._honors = honor_labels
        self._relabelling = relabelling
        self._limits = limits
        self._scheme = scheme
        self._checks_names = scheme is ValidationScheme.LEGACY or bool(relabelling)
        self._pairs: dict[tuple[str, str], tuple[str, str]] = {pair: pair for pair in target}

    def final(self, exposed: Labels) -> Labels | None:
        """None: dropped. Raises ScrapeError: the whole scrape fails."""
        labels = dict(exposed)
        if (
            not self._relabelling
            and len(labels) == len(exposed)
            and self._names.isdisjoint(labels)
            and "" not in labels.values()
        ):
            final = tuple(sorted((*exposed, *self._target)))
            self._check(final)
            return final
        return self._changed(exposed)

    def _changed(self, exposed: Labels) -> Labels | None:
        labels = dict(reversed(exposed))  # of a label that is there twice, the first is what relabelling sees
        self._add_target(labels)
        labels = {name: value for name, value in labels.items() if value}
        doubled = {} if len(labels) == len(exposed) else self._doubled(exposed, labels)
        if not self._relabelling.apply(labels) or not labels:
            return None
        pairs = self._pairs
        final = tuple(sorted([pairs.get(pair, pair) for pair in labels.items()]))
        self._check(final)
        for name, value in doubled.items():
            if labels.get(name) == value:
                raise failures.not_unique(name)
        return final

    def _doubled(self, exposed: Labels, labels: Mapping[str, str]) -> dict[str, str]:
        """Labels that the series has twice, unless the target's has taken their place. Relabelling may do away with
        them; what is left the storage refuses (tsdb/head_append.go, HasDuplicateLabelNames)."""
        counts = Counter(name for name, _ in exposed)
        kept = self._names if not self._honors else ()
        return {
            name: labels[name]
            for name in sorted(counts)
            if counts[name] > 1 and name in labels and name not in kept
        }

    def _add_target(self, labels: dict[str, str]) -> None:
        """A label that the page has with an empty value counts as there if labels are honored, as the Pushgateway
        expects."""
        if self._honors:
            for name, value in self._target:
                labels.setdefault(name, value)
            return
        conflicts = [(name, labels[name]) for name, _ in self._target if labels.get(name)]
        labels.update(self._target)
        for name, value in sorted(conflicts, key=lambda conflict: len(conflict[0])):
            free = _EXPORTED + name
            while labels.get(free):
                free = _EXPORTED + free
            labels[free] = value

    def _check(self, labels: Labels) -> None:
        metric = next((value for name, value in labels if name == NAME), "")
        if not metric:
            raise failures.no_name()
        if self._checks_names:
            scheme = self._scheme
            if not is_metric_name(metric, scheme) or not all(
                is_label_name(name, scheme) for name, _ in labels
            ):
                raise failures.invalid_names(labels)
        if self._limits:
            self._check_limits(metric, labels)

    def _check_limits(self, metric: str, labels: Labels) -> None:
        limits = self._limits
        if 0 < limits.labels < len(labels):
            raise failures.too_many_labels(metric, len(labels), limits.labels)
        for pair in labels:
            name_length, value_length = len(pair[0].encode()), len(pair[1].encode())
            if 0 < limits.name_length < name_length:
                raise failures.long_label_name(metric, pair[0], name_length, limits.name_length)
            if 0 < limits.value_length < value_length:
                raise failures.long_label_value(metric, pair, value_length, limits.value_length)
