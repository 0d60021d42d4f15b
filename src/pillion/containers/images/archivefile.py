"""An archive as a set of named members: a tar file (plain, gzip or zstd), or a folder.

Members are read by name, at random. A compressed tar is unpacked to a file first: its members lie in any order.
"""

from __future__ import annotations

import gzip
import io
import os
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Protocol, cast

import zstandard

from pillion.containers.images.failure import ArchiveError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MAX_LINKS = 8
_CHUNK = 1 << 20

DAMAGED = (EOFError, tarfile.TarError, zlib.error, zstandard.ZstdError, gzip.BadGzipFile)
"""What the readers of the formats raise for damaged input."""


class Archive(Protocol):
    def __contains__(self, name: str) -> bool: ...

    def open(self, name: str) -> IO[bytes]:
        """Raises ArchiveError when there is no such member."""

    def read(self, name: str, *, max_bytes: int) -> bytes:
        """A small member as a whole. Raises ArchiveError when it is missing or larger."""


class _Members:
    def __contains__(self, name: str) -> bool:
        raise NotImplementedError

    def open(self, name: str) -> IO[bytes]:
        raise NotImplementedError

    def read(self, name: str, *, max_bytes: int) -> bytes:
        with self.open(name) as member:
            content = member.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise ArchiveError(f"{name} is larger than {max_bytes} bytes")
        return content


class FolderArchive(_Members):
    """An OCI layout on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __contains__(self, name: str) -> bool:
        return _is_inside(name) and (self._folder / name).is_file()

    def open(self, name: str) -> IO[bytes]:
        if name not in self:
            raise ArchiveError(f"{name} is missing")
        return (self._folder / name).open("rb")


class TarArchive(_Members):
    """Members of a tar file, by their offset. `file` is seekable and outlives this object."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._members: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        # Not `getmembers`: the headers of a `docker save` are few, but a wrong file can have any number of them.
        for member in tarfile.open(fileobj=file, mode="r:"):  # noqa: SIM115 - the file is the caller's
            name = posixpath.normpath(member.name)
            if member.isreg():
                self._members[name] = (member.offset_data, member.size)
            elif member.issym():
                self._links[name] = posixpath.normpath(
                    posixpath.join(posixpath.dirname(name), member.linkname)
                )
            elif member.islnk():
                self._links[name] = posixpath.normpath(member.linkname)

    def _find(self, name: str) -> tuple[int, int] | None:
        """Old `docker save` files hold equal layers once and link to them."""
        for _ in range(_MAX_LINKS):
            if name in self._members:
                return self._members[name]
            name = self._links.get(name, "")
        return None

    def __contains__(self, name: str) -> bool:
        return self._find(name) is not None

    def open(self, name: str) -> IO[bytes]:
        found = self._find(name)
        if found is None:
            raise ArchiveError(f"{name} is missing")
        return cast("IO[bytes]", io.BufferedReader(_Slice(self._file, *found), _CHUNK))


class _Slice(io.RawIOBase):
    """A part of a file."""

    def __init__(self, file: IO[bytes], offset: int, size: int) -> None:
        self._fd = file.fileno()
        self._offset = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = os.pread(self._fd, min(len(buffer), self._end - self._offset), self._offset)
        self._offset += len(data)
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_archive(path: Path, temporary: Path) -> Iterator[Archive]:
    """Raises ArchiveError when `path` cannot be read or is no archive. `temporary` is a folder on disk."""
    with ExitStack() as stack:
        try:
            if path.is_dir():
                yield FolderArchive(path)
                return
            file: IO[bytes] = stack.enter_context(path.open("rb"))
            magic = file.read(4)
            file.seek(0)
            if magic.startswith(GZIP_MAGIC) or magic == ZSTD_MAGIC:
                file = _decompressed(file, stack.enter_context(tempfile.TemporaryFile(dir=temporary)))
            archive = TarArchive(file)
        except DAMAGED as error:
            raise ArchiveError(f"cannot read {path}: not an image archive, or damaged ({error})") from error
        except OSError as error:
            raise ArchiveError(f"cannot read {path}: {error.strerror or error}") from error
        yield archive


def _decompressed(file: IO[bytes], into: IO[bytes]) -> IO[bytes]:
    with decompress(file) as plain:
        shutil.copyfileobj(plain, into, _CHUNK)
    into.seek(0)
    return into


def decompress(file: IO[bytes]) -> IO[bytes]:
    """The content of a layer, by its first bytes: media types are often wrong about the compression."""
    reader = file if isinstance(file, io.BufferedReader) else io.BufferedReader(cast("io.RawIOBase", file))
    magic = reader.peek(4)[:4]
    if magic.startswith(GZIP_MAGIC):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=reader))
    if magic == ZSTD_MAGIC:
        decoder = zstandard.ZstdDecompressor(max_window_size=1 << 27)
        return cast(
            "IO[bytes]", io.BufferedReader(decoder.stream_reader(reader, read_across_frames=True), _CHUNK)
        )
    return cast("IO[bytes]", reader)


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/")
