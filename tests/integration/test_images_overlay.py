"""Image roots through a real overlay mount."""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest
from tests.unit.images.archives import docker_archive, entry, folder, tar_of

from pillion.containers.images import ImageSources, ImageStore, PullPolicy
from pillion.errors import HostError
from pillion.statedir import StateDir

pytestmark = pytest.mark.host


@contextmanager
def mounted(layers: Sequence[str], place: Path) -> Iterator[Path]:
    libc = ctypes.CDLL(None, use_errno=True)
    for name in ("up", "work", "root"):
        (place / name).mkdir()
    options = f"lowerdir={':'.join(layers)},upperdir={place}/up,workdir={place}/work"
    if libc.mount(b"overlay", os.fsencode(place / "root"), b"overlay", 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        yield place / "root"
    finally:
        assert libc.umount2(os.fsencode(place / "root"), 0) == 0


def test_whiteouts_hide_what_lies_below_and_a_mounted_image_is_not_removed(tmp_path: Path) -> None:
    base = tar_of(
        folder("d"),
        entry("d/kept", b"kept"),
        entry("d/gone", b"gone"),
        folder("emptied"),
        entry("emptied/old", b"old"),
        folder("remade"),
        entry("remade/old", b"old"),
    )
    top = tar_of(
        entry("d/.wh.gone"),
        folder("emptied"),
        entry("emptied/.wh..wh..opq"),
        entry("emptied/new", b"new"),
        entry(".wh.remade"),
        entry("remade/new", b"new"),
    )
    archive = tmp_path / "image.tar"
    archive.write_bytes(docker_archive([base, top]))
    store = ImageStore(StateDir(PurePosixPath(tmp_path / "state")), ImageSources())
    asyncio.run(store.load(archive))
    config = asyncio.run(store.ensure("app:v1", PullPolicy.NEVER)).config
    with mounted(config.root_layers, tmp_path) as root:
        seen = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
        assert seen == {"d/kept", "emptied/new", "remade/new"}
        with pytest.raises(HostError, match="a container runs on it"):
            asyncio.run(store.rm("app:v1"))
    asyncio.run(store.rm("app:v1"))
