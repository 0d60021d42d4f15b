"""The program that writes numbered lines, started and asked from a test."""

from __future__ import annotations

import json
import subprocess
import sys
from enum import Enum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class Rotation(Enum):
    NONE = "none"
    RENAME = "rename"
    COPYTRUNCATE = "copytruncate"


class LogWriter:
    """Writes while the context lasts, but no longer than `seconds`."""

    def __init__(
        self,
        path: Path,
        *,
        name: str = "w",
        rate: int = 20_000,
        seconds: float = 3.0,
        rotation: Rotation = Rotation.RENAME,
        every: float = 1.0,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.written = 0
        """Lines, known at the end."""
        self.rotations = 0
        self._command = [
            sys.executable, "-m", "pillion.testing.drills.logwriter", str(path), "--name", name, "--rate", str(rate),
            "--seconds", str(seconds), "--rotation", rotation.value, "--every", str(every), "--seed", str(seed),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        self.finish()

    @property
    def has_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    def finish(self) -> int:
        """Waits for its end; the lines written."""
        assert self._process is not None
        assert self._process.stdout is not None
        if not self._process.stdout.closed:
            said, _ = self._process.communicate()
            if self._process.returncode:
                raise RuntimeError(f"the writer ended with {self._process.returncode}")
            answer = json.loads(said)
            self.written, self.rotations = answer["written"], answer["rotations"]
        return self.written
