"""A command whose lines are shown as they come, and can be waited for."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

_T = TypeVar("_T")


class UnexpectedError(Exception):
    """Something that should have come about has not."""

    def __init__(self, expected: str, saw: str) -> None:
        super().__init__(f"expected: {expected}\nsaw:      {saw}")


def poll(expected: str, question: Callable[[], _T | None], *, within: float, every: float = 0.05) -> _T:
    """Ask until there is an answer: for facts that nobody tells. Raises UnexpectedError with the last failure."""
    deadline = time.monotonic() + within
    saw = f"nothing within {within:g} s"
    while True:
        try:
            answer = question()
        except OSError as error:
            saw = f"{type(error).__name__}: {error}"
            answer = None
        if answer is not None:
            return answer
        if time.monotonic() > deadline:
            raise UnexpectedError(expected, saw)
        time.sleep(every)


class WatchedChild:
    """Its stdout and stderr are shown by `show` and remembered. It has a process group of its own: a Ctrl-C is ours."""

    def __init__(self, argv: Sequence[str], show: Callable[[str], None]) -> None:
        self.lines: list[str] = []
        self._show = show
        self._news = threading.Condition()
        self._is_open = True
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read, name="child's lines", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                text = line.rstrip("\n")
                self._show(text)
                with self._news:
                    self.lines.append(text)
                    self._news.notify_all()
        with self._news:
            self._is_open = False
            self._news.notify_all()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def expect(self, expected: str, pattern: str, *, within: float, since: int = 0) -> re.Match[str]:
        """The first line from number `since` on that `pattern` is found in. Raises UnexpectedError."""
        regex = re.compile(pattern)
        deadline = time.monotonic() + within
        seen = since
        with self._news:
            while True:
                for line in self.lines[seen:]:
                    if match := regex.search(line):
                        return match
                seen = len(self.lines)
                if not self._is_open:
                    raise UnexpectedError(expected, f"the command's end, exit status {self._process.wait()}")
                if not self._news.wait(deadline - time.monotonic()):
                    last = self.lines[-1] if self.lines else "no line"
                    raise UnexpectedError(expected, f"not within {within:g} s; the last line was: {last}")

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self, *, within: float) -> int:
        """Its exit status, once all of its lines are read. Raises UnexpectedError."""
        try:
            status = self._process.wait(within)
        except subprocess.TimeoutExpired:
            raise UnexpectedError(f"the end of the command within {within:g} s", "it still runs") from None
        self._reader.join()
        return status

    def end(self) -> None:
        """Whatever it takes: Ctrl-C, a second one that does not wait for anybody, SIGKILL."""
        for patience in (40, 10):
            if not self.is_running:
                break
            self.interrupt()
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
        if self.is_running:
            self._process.kill()
        self._process.wait()
        self._reader.join()
