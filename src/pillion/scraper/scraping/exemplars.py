"""Exemplars of one target: each is passed on once, although it stays on the page for many scrapes. Pure.

Prometheus' storage does so (tsdb/exemplar.go, ValidateExemplar): one per series, no older one after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pillion.scraper.samples import Exemplar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pillion.scraper.labels import Labels


class LastExemplars:
    __slots__ = ("_last", "out_of_order")

    def __init__(self) -> None:
        self._last: dict[Labels, tuple[Exemplar, int]] = {}
        self.out_of_order = 0
        """All that were refused for their time."""

    def fresh(
        self,
        exemplars: Sequence[Exemplar],
        targets: Mapping[int, int] | None,
        series: Sequence[Labels],
        time_of: Callable[[int], int],
    ) -> tuple[Exemplar, ...]:
        """Those that are new, with the index in `series` and a time: `time_of` its sample, where they have none."""
        found = []
        for exemplar in exemplars:
            index = exemplar.index if targets is None else targets.get(exemplar.index)
            if index is None:
                continue
            labels = series[index]
            time = time_of(index) if exemplar.time is None else exemplar.time
            last = self._last.get(labels)
            if last is not None:
                if _is_same(exemplar, last[0]):
                    continue
                if time < last[1]:
                    self.out_of_order += 1
                    continue
            self._last[labels] = (exemplar, time)
            found.append(Exemplar(index=index, labels=exemplar.labels, value=exemplar.value, time=time))
        return tuple(found)

    def keep_only(self, series: Sequence[Labels]) -> None:
        """Forget those of other series."""
        if self._last:
            present = set(series)
            self._last = {labels: last for labels, last in self._last.items() if labels in present}


def _is_same(one: Exemplar, other: Exemplar) -> bool:
    """Without times, an exemplar with the same labels and value is the same."""
    return one.labels == other.labels and one.value == other.value and one.time == other.time
