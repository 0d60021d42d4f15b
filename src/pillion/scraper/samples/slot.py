"""What the window keeps of one set of series: its columns with their times, and which series a matcher means."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import deque
from typing import TYPE_CHECKING

from pillion.scraper.labels import MatchType
from pillion.scraper.samples.stripes import VALUE_BYTES, Block, stripes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pillion.scraper.labels import Matcher
    from pillion.scraper.samples.batch import Batch, SeriesSet

_NAME = "__name__"
_MOST_COLUMNS = 32
_FEWEST_COLUMNS = 4
_BLOCK_BYTES = 3 << 20
"""Of raw columns before they are packed: 32 columns of 10,000 series; sets of more series get shorter blocks."""


class _Track:
    """Columns in blocks of equal length; the block before the last is packed while the last one grows."""

    __slots__ = ("blocks", "capacity", "series", "size")

    def __init__(self, series: int) -> None:
        self.series = series
        self.capacity = max(_FEWEST_COLUMNS, min(_MOST_COLUMNS, _BLOCK_BYTES // (series * VALUE_BYTES)))
        self.blocks: deque[Block] = deque([Block(series)])
        self.size = 0

    def add(self, column: bytes) -> None:
        last = self.blocks[-1]
        if last.columns == self.capacity:
            if len(self.blocks) > 1:
                self._pack(self.blocks[-2], stripes_of(self.series))  # what is left of it
            self.blocks.append(last := Block(self.series))
        elif len(self.blocks) > 1:
            self._pack(self.blocks[-2], -(-stripes_of(self.series) // (self.capacity - 1)))
        before = last.size
        last.add(column)
        self.size += last.size - before

    def _pack(self, block: Block, stripes: int) -> None:
        before = block.size
        block.pack_some(stripes)
        self.size += block.size - before

    def drop_first(self) -> int:
        """The number of columns that are gone."""
        block = self.blocks.popleft()
        self.size -= block.size
        if not self.blocks:
            self.blocks.append(Block(self.series))
        return block.columns

    def rows(self, indices: Sequence[int], columns: Sequence[int]) -> list[array[int]]:
        """The raw bits of these series in these columns; both are sorted."""
        rows = [array("Q") for _ in indices]
        begin = 0
        while begin < len(columns):
            number = columns[begin] // self.capacity
            end = bisect_right(columns, (number + 1) * self.capacity - 1, begin)
            inside = [column - number * self.capacity for column in columns[begin:end]]
            for row, further in zip(rows, self.blocks[number].rows(indices, inside), strict=True):
                row.extend(further)
            begin = end
        return rows


class Slot:
    """Of one set; with `own`, samples have times of their own."""

    __slots__ = ("_by_name", "_own", "_values", "charge", "series", "times")

    def __init__(self, series: SeriesSet, *, own: bool, charge: int) -> None:
        """`charge`: bytes to count for the set itself."""
        self.series = series
        self.charge = charge
        self.times = array("q")
        """Of the columns, rising."""
        self._values = _Track(len(series))
        self._own = _Track(len(series)) if own else None
        self._by_name: dict[str, array[int]] | None = None

    @property
    def size(self) -> int:
        own = self._own.size if self._own is not None else 0
        return self.charge + self._values.size + own + VALUE_BYTES * len(self.times)

    @property
    def has_own_times(self) -> bool:
        return self._own is not None

    @property
    def blocks(self) -> int:
        return len(self._values.blocks)

    @property
    def end_of_first(self) -> int:
        """The last time in the oldest block."""
        return self.times[self._values.blocks[0].columns - 1]

    def add(self, batch: Batch) -> None:
        self.times.append(batch.time)
        self._values.add(batch.values)
        if self._own is not None:
            assert batch.times is not None
            self._own.add(batch.times.tobytes())

    def drop_first(self) -> int:
        """Drop the oldest block; the number of samples in it."""
        columns = self._values.drop_first()
        if self._own is not None:
            self._own.drop_first()
        del self.times[:columns]
        return columns * len(self.series)

    def rows(self, indices: Sequence[int], columns: Sequence[int]) -> list[array[int]]:
        """The raw bits of these series in these columns; both are sorted."""
        return self._values.rows(indices, columns)

    def own_times(self, indices: Sequence[int], columns: Sequence[int]) -> list[array[int]]:
        assert self._own is not None
        found = []
        for bits in self._own.rows(indices, columns):
            times = array("q")
            times.frombytes(bits.tobytes())
            found.append(times)
        return found

    def matching(self, matchers: Iterable[Matcher]) -> list[int]:
        """The places of the series that all matchers mean, sorted."""
        names = [m.value for m in matchers if m.name == _NAME and m.type is MatchType.EQUAL]
        others = [m for m in matchers if m.name != _NAME or m.type is not MatchType.EQUAL]
        found: Iterable[int] = range(len(self.series))
        if names:
            found = self._named().get(names[0], ()) if len(set(names)) == 1 else ()
        if not others:
            return list(found)
        labels = self.series.labels
        return [index for index in found if _matches_all(others, dict(labels[index]))]

    def _named(self) -> dict[str, array[int]]:
        if self._by_name is None:
            self._by_name = {}
            for index, labels in enumerate(self.series.labels):
                name = next((value for key, value in labels if key == _NAME), "")
                self._by_name.setdefault(name, array("I")).append(index)
        return self._by_name


def _matches_all(matchers: Iterable[Matcher], labels: dict[str, str]) -> bool:
    return all(matcher.matches(labels.get(matcher.name, "")) for matcher in matchers)
