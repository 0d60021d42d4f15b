"""Credentials from a key's value or from a file, which is read again when it has changed. Never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.errors import HostError

if TYPE_CHECKING:
    from pathlib import Path


class Secret:
    """A text that nobody prints. Kubernetes replaces the files of a mounted Secret: they are looked at each time."""

    def __init__(self, value: str = "", file: Path | None = None) -> None:
        self._value = value
        self._file = file
        self._seen: tuple[int, int, int] | None = None

    def __repr__(self) -> str:
        return f"Secret({self._file})" if self._file else "Secret(***)" if self._value else "Secret()"

    def __bool__(self) -> bool:
        return bool(self._value) or self._file is not None

    def read(self) -> str:
        """The text as it is now, without the newline at its end.

        The last one known while the file cannot be read. Raises HostError when there never was one.
        """
        if self._file is None:
            return self._value
        try:
            found = self._file.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._value = self._file.read_text(encoding="utf-8").rstrip("\r\n")
                self._seen = seen
        except (OSError, UnicodeDecodeError) as error:
            if self._seen is None:
                cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
                raise HostError(f"cannot read the credential in {self._file}: {cause}") from error
        return self._value


def secret(value: str, file: str, folder: Path) -> Secret:
    """From a key and its `…_file` companion; a relative path is looked for beside the configuration."""
    return Secret(file=folder / file) if file else Secret(value)
