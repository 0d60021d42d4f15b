"""Unpacked layers on disk, each stored once however many images share it.

    layers/24HEX/fs          the layer's tree: a lower folder for overlay
    layers/24HEX/layer.json  its full diff ID and size; the layer is complete, as folders appear by rename only
    unpacking/               work in progress; whatever is here when the lock is taken was left by a crash

Folder names are short because overlay gets all of them in one page of mount options.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

import msgspec

from pillion.containers.images.archivefile import DAMAGED, Archive, decompress
from pillion.containers.images.failure import ArchiveError
from pillion.containers.images.unpack import unpack_layer

if TYPE_CHECKING:
    from pillion.containers.images.imagearchive import LayerBlob

_SHORT = 24
_CHUNK = 1 << 20


class _LayerInfo(msgspec.Struct, frozen=True):
    diff_id: str
    size_bytes: int


class LayerStore:
    """Every method but `folder` and `layers_in_use` needs the image store's lock."""

    def __init__(self, root: Path) -> None:
        self._layers = root / "layers"
        self._unpacking = root / "unpacking"

    def prepare(self) -> Path:
        """Make the folders and sweep up after a crash. Returns the one for temporary files."""
        self._layers.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.rmtree(self._unpacking, ignore_errors=True)
        self._unpacking.mkdir(mode=0o700)
        return self._unpacking

    def folder(self, diff_id: str) -> Path:
        return self._place(diff_id) / "fs"

    def size_bytes(self, diff_id: str) -> int | None:
        """None when the layer is not here."""
        try:
            info = msgspec.json.decode((self._place(diff_id) / "layer.json").read_bytes(), type=_LayerInfo)
        except FileNotFoundError:
            return None
        return info.size_bytes if info.diff_id == diff_id else None

    def add(self, archive: Archive, blob: LayerBlob) -> int:
        """Unpack a layer unless it is here. Returns the bytes of its files. Raises ArchiveError, HostError."""
        known = self.size_bytes(blob.diff_id)
        if known is not None:
            return known
        with ExitStack() as stack:
            place = Path(tempfile.mkdtemp(dir=self._unpacking))
            stack.callback(shutil.rmtree, place, ignore_errors=True)
            (place / "fs").mkdir(mode=0o755)
            size = _unpack_checked(stack.enter_context(archive.open(blob.member)), blob, place / "fs")
            (place / "layer.json").write_bytes(msgspec.json.encode(_LayerInfo(blob.diff_id, size)))
            place.chmod(0o755)
            place.rename(self._place(blob.diff_id))
            return size

    def remove(self, diff_id: str) -> None:
        place = self._place(diff_id)
        if place.exists():
            # Out of sight first: a layer that is there is complete.
            rubbish = place.rename(self._unpacking / place.name)
            shutil.rmtree(rubbish)

    def _place(self, diff_id: str) -> Path:
        return self._layers / diff_id.partition(":")[2][:_SHORT]

    def layers_in_use(self) -> frozenset[Path]:
        """The layer folders that some overlay mount on this machine has as a lower folder."""
        mounts = Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "surrogateescape")
        used: set[Path] = set()
        for line in mounts.splitlines():
            options = line.rpartition(" ")[2].split(",")
            for option in options:
                if option.startswith(("lowerdir=", "lowerdir+=")):
                    used.update(Path(folder) for folder in option.partition("=")[2].split(":"))
        return frozenset(used)


def _unpack_checked(stored: IO[bytes], blob: LayerBlob, folder: Path) -> int:
    """Both digests are taken while the stream passes, so a layer is read once."""
    outer = _Digesting(stored, blob.digest or blob.diff_id)
    try:
        with decompress(cast("IO[bytes]", io.BufferedReader(outer, _CHUNK))) as plain:
            inner = _Digesting(plain, blob.diff_id)
            size = unpack_layer(cast("IO[bytes]", inner), str(folder))
            inner.drain()
            outer.drain()
    except DAMAGED as error:
        raise ArchiveError(f"layer {blob.member} is damaged: {error}") from error
    if blob.digest is not None and outer.digest() != blob.digest:
        raise ArchiveError(f"layer {blob.member} does not match its digest: it is damaged")
    if inner.digest() != blob.diff_id:
        raise ArchiveError(
            f"layer {blob.member} is not what the image's configuration names: its content has {inner.digest()}, "
            f"not {blob.diff_id}"
        )
    return size


class _Digesting(io.RawIOBase):
    """Hashes what is read through it."""

    def __init__(self, source: IO[bytes], like: str) -> None:
        self._source = source
        self._algorithm = like.partition(":")[0]
        self._hash = hashlib.new(self._algorithm)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        """A tar ends before its stream does."""
        while self.read(_CHUNK):
            pass

    def digest(self) -> str:
        return f"{self._algorithm}:{self._hash.hexdigest()}"
