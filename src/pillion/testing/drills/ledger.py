"""What has arrived of numbered lines: what is lost, what came twice, what came in another order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pillion.testing.drills.lines import number_of

_SHOWN = 5


class Ledger:
    """Fed with the lines that arrived, in their order."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[int, int]] = {}
        """By writer: how often each number came, in the order of their first coming."""
        self.strangers: list[str] = []
        """Lines that nobody wrote: cut, joined or changed."""

    def take(self, texts: Iterable[str]) -> None:
        for text in texts:
            found = number_of(text)
            if found is None:
                self.strangers.append(text)
                continue
            writer, number = found
            counts = self._counts.setdefault(writer, {})
            counts[number] = counts.get(number, 0) + 1

    @property
    def distinct(self) -> int:
        return sum(len(counts) for counts in self._counts.values())

    @property
    def duplicates(self) -> int:
        """Lines that came again."""
        return sum(count - 1 for counts in self._counts.values() for count in counts.values())

    @property
    def out_of_order(self) -> int:
        """Lines that came, for the first time, after one that was written later."""
        late = 0
        for counts in self._counts.values():
            highest = -1
            for number in counts:
                late += number < highest
                highest = max(highest, number)
        return late

    def lost(self, written: Mapping[str, int]) -> dict[str, list[int]]:
        """By writer, the numbers below `written` that did not arrive."""
        missing = {
            writer: [number for number in range(amount) if number not in self._counts.get(writer, {})]
            for writer, amount in written.items()
        }
        return {writer: numbers for writer, numbers in missing.items() if numbers}

    def account(self, written: Mapping[str, int]) -> str:
        """In one line, for people."""
        lost = self.lost(written)
        amount = sum(len(numbers) for numbers in lost.values())
        first = [f"{writer} {number}" for writer, numbers in lost.items() for number in numbers[:_SHOWN]]
        said = [
            f"{sum(written.values())} written",
            f"{amount} lost" + (f" ({', '.join(first)} …)" if first else ""),
            f"{self.duplicates} duplicates",
            f"{self.out_of_order} out of order",
            f"{len(self.strangers)} that nobody wrote" + "".join(f" {text!r}" for text in self.strangers[:2]),
        ]
        return ", ".join(said)
