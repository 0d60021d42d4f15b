"""A program that writes numbered lines to a file and rotates it: `python -m pillion.testing.drills.logwriter --help`.

A process of its own, so that neither its pace nor its end depends on who tests. It ends after `--seconds` or at
SIGTERM, the last line being whole, and prints what it has written as JSON.

`copytruncate` has a race that nobody can close: what is written between the copy and the truncation is lost
(logrotate(8) says so). Whoever uses it must not write meanwhile, and this program does not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

from pillion.testing.drills.lines import text_of

_TICK = 0.01
_MOST_AT_ONCE = 2000


class LogFile:
    """The file, and what rotation makes of it: `app.log`, `app.log.1`, …"""

    def __init__(self, path: Path, *, rotation: str, keep: int, chance: random.Random) -> None:
        self.path = path
        self.rotations = 0
        self._rotation = rotation
        self._keep = keep
        self._chance = chance
        self._file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """In parts that end anywhere: a reader meets lines, and letters, that are not complete."""
        cut = self._chance.randrange(len(data) + 1)
        for part in (data[:cut], data[cut:]):
            self._file.write(part)

    def rotate(self, more: bytes) -> None:
        """`more` is what a writer that has not noticed yet still writes to the old file."""
        self._shift()
        self.rotations += 1
        first = self.path.with_name(f"{self.path.name}.1")
        if self._rotation == "copytruncate":
            self.write(more)
            shutil.copyfile(self.path, first)
            os.truncate(self.path, 0)
            return
        self.path.rename(first)
        self.write(more)
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def _shift(self) -> None:
        names = [self.path.with_name(f"{self.path.name}.{number}") for number in range(self._keep + 1)]
        names[self._keep].unlink(missing_ok=True)
        for number in range(self._keep - 1, 0, -1):
            if names[number].exists():
                names[number].rename(names[number + 1])

    def close(self) -> None:
        self._file.close()


def main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    options = _options()
    chance = random.Random(options.seed)  # noqa: S311 - to be repeated, not to be kept secret
    log = LogFile(Path(options.path), rotation=options.rotation, keep=options.keep, chance=chance)
    begin = _now()
    rotate_at = begin + chance.uniform(0, 2 * options.every)
    written = 0
    ended = False
    while not ended:
        passed = _now() - begin
        ended = passed >= options.seconds
        due = int(min(passed, options.seconds) * options.rate)
        while written < due:
            amount = min(due - written, _MOST_AT_ONCE)
            log.write(_lines(options.name, written, amount))
            written += amount
        if options.rotation != "none" and _now() >= rotate_at and not ended:
            for _ in range(chance.choice((1, 1, 1, 2))):
                amount = chance.choice((0, 0, options.linger))
                log.rotate(_lines(options.name, written, amount))
                written += amount
            rotate_at = _now() + chance.uniform(0, 2 * options.every)
        ended = ended or signal.sigtimedwait({signal.SIGTERM}, _TICK) is not None
    log.close()
    json.dump({"written": written, "rotations": log.rotations}, sys.stdout)


def _lines(name: str, begin: int, amount: int) -> bytes:
    return "".join(f"{text_of(name, number)}\n" for number in range(begin, begin + amount)).encode()


def _now() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="logwriter", description=__doc__)
    parser.add_argument("path", help="the file to write to")
    parser.add_argument("--name", default="w", help="who writes: the first word of each line")
    parser.add_argument("--rate", type=int, default=20_000, help="lines per second")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rotation", choices=("none", "rename", "copytruncate"), default="rename")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between rotations, on average")
    parser.add_argument("--keep", type=int, default=30, help="rotated files before the oldest is deleted")
    parser.add_argument("--linger", type=int, default=50, help="lines written to a renamed file, sometimes")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
