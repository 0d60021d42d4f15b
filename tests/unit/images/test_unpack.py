"""Unpacking layers: nothing gets out, and what overlay needs comes in."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.images.archives import entry, folder, hard_link, link, tar_of

from pillion.containers.images.failure import ArchiveError
from pillion.containers.images.rootview import read_in_root
from pillion.containers.images.unpack import unpack_layer


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "victim").write_text("untouched")
    root = tmp_path / "root"
    root.mkdir()
    return root


@pytest.fixture(autouse=True)
def _nothing_gets_out(tmp_path: Path) -> Iterator[None]:
    yield
    assert (tmp_path / "victim").read_text() == "untouched"
    assert {path.name for path in tmp_path.iterdir()} <= {"victim", "root"}
    assert not Path("/pwned").exists()


def unpack(root: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> int:
    return unpack_layer(io.BytesIO(tar_of(*entries)), str(root))


REFUSED = {
    "up and out": [entry("../victim", b"x")],
    "up and out, from below": [entry("a/../../victim", b"x")],
    "a hard link to the outside": [hard_link("a", "../victim")],
    "a hard link to an absolute path": [hard_link("a", "/etc/passwd")],
    "a hard link through a link": [link("up", ".."), hard_link("a", "up/victim")],
    "a hard link to a folder": [folder("d"), hard_link("a", "d")],
    "a hard link to the root": [hard_link("a", "/")],
    "a file as a folder": [entry("a", b"x"), entry("a/b", b"x")],
    "links in a circle": [link("a", "b"), link("b", "a"), entry("a/x", b"x")],
    "a whiteout of the folder itself": [entry(".wh..")],
    "a whiteout of the folder above": [entry("d/.wh...")],
    "an owner that overlay cannot hold": [entry("a", b"x", uid=2**32 - 1)],
    "a name that is too long": [entry("a" * 300, b"x")],
}


@pytest.mark.parametrize("entries", REFUSED.values(), ids=REFUSED)
def test_an_entry_that_cannot_be_is_refused(entries: list[tuple[tarfile.TarInfo, bytes]], root: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot unpack"):
        unpack(root, *entries)


INSIDE = {
    "an absolute name": ([entry("/pwned", b"x")], "pwned"),
    "through an absolute link": ([link("out", "/"), entry("out/pwned", b"x")], "pwned"),
    "through a link upwards": ([link("out", "../../../.."), entry("out/victim", b"x")], "victim"),
    "over a link": ([link("a", "../victim"), entry("a", b"x")], "a"),
    "through a link below a folder": ([folder("d"), link("d/l", "/e"), entry("d/l/f", b"x")], "e/f"),
    "a folder over a link": ([link("d", ".."), folder("d"), entry("d/victim", b"x")], "d/victim"),
    "a folder that a link replaced": ([folder("d"), link("d", ".."), entry("d/victim", b"x")], "victim"),
}


@pytest.mark.parametrize(("entries", "place"), INSIDE.values(), ids=INSIDE)
def test_an_entry_that_points_outside_stays_inside(
    entries: list[tuple[tarfile.TarInfo, bytes]], place: str, root: Path
) -> None:
    unpack(root, *entries)
    assert (root / place).read_bytes() == b"x"
    assert not (root / place).is_symlink()


def test_a_huge_extended_header_is_refused(root: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 33
    with pytest.raises(ArchiveError, match="too large"):
        unpack_layer(io.BytesIO(header.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096), str(root))


def test_a_file_keeps_its_mode_owner_time_and_links(root: Path) -> None:
    size = unpack(
        root,
        folder("bin", mode=0o1777, mtime=1000),
        entry("bin/su", b"12345", mode=0o4755, mtime=2000),
        hard_link("bin/su2", "bin/su"),
        link("bin/ls", "/bin/busybox"),
    )
    seen = (root / "bin/su").stat()
    assert (stat.S_IMODE(seen.st_mode), seen.st_mtime, seen.st_nlink) == (0o4755, 2000, 2)
    folder_seen = (root / "bin").stat()
    assert (stat.S_IMODE(folder_seen.st_mode), folder_seen.st_mtime) == (0o1777, 1000)
    assert (root / "bin/ls").readlink() == Path("/bin/busybox")
    assert size == 5


def test_device_nodes_are_left_out(root: Path) -> None:
    unpack(
        root,
        folder("dev"),
        entry("dev/sda", type=tarfile.BLKTYPE, devmajor=8),
        entry("dev/x", type=tarfile.CHRTYPE),
    )
    assert list((root / "dev").iterdir()) == []


def test_names_in_any_encoding_and_any_length_arrive(root: Path) -> None:
    long = "/".join(["d" * 90] * 4)
    unpack(root, entry("gr\u00fc\u00dfe", b"x"), entry("raw\udcff", b"x"), entry(long, b"x"))
    assert (root / "gr\u00fc\u00dfe").exists()
    assert (root / "raw\udcff").exists()
    assert (root / long).exists()


@pytest.mark.host
def test_whiteouts_become_overlays(root: Path) -> None:
    unpack(
        root,
        entry("d/.wh.gone"),
        entry("e/.wh..wh..opq"),
        entry("f/.wh..wh.plnk"),
        entry(".wh.g"),
        folder("g"),
    )
    gone = (root / "d/gone").stat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    assert os.getxattr(root / "e", "trusted.overlay.opaque") == b"y"
    assert list((root / "f").iterdir()) == []
    assert os.getxattr(root / "g", "trusted.overlay.opaque") == b"y"


@pytest.mark.host
def test_capabilities_are_kept_and_overlays_own_attributes_are_not(root: Path) -> None:
    capability = b"\x01\x00\x00\x02\x00\x04\x00\x00" + b"\x00" * 12
    headers = {
        "SCHILY.xattr.security.capability": capability.decode("utf-8", "surrogateescape"),
        "SCHILY.xattr.trusted.overlay.redirect": "/etc",
    }
    unpack(root, entry("ping", b"x", pax_headers=headers))
    assert os.getxattr(root / "ping", "security.capability") == capability
    assert [name for name in os.listxattr(root / "ping") if name.startswith("trusted")] == []


def test_sparse_files_keep_content_and_size(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    import subprocess

    source = tmp_path_factory.mktemp("sparse")
    with (source / "s").open("wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    for option in ("--format=gnu", "--format=posix"):
        made = subprocess.run(
            ["tar", "-cS", option, "-C", source, "s"], stdout=subprocess.PIPE, check=True, timeout=10
        )
        unpack_layer(io.BytesIO(made.stdout), str(root))
        assert (root / "s").read_bytes() == b"\0" * (1 << 20) + b"end"
        assert (root / "s").stat().st_blocks < 512


def read(path: str, *layers: Path) -> bytes | None:
    return read_in_root([str(layer) for layer in layers], path, max_bytes=100)


def test_reading_a_file_of_an_image_never_leaves_it(root: Path) -> None:
    (root / "etc").symlink_to("/real")
    (root / "real").mkdir()
    (root / "real/passwd").symlink_to("../../../../real/users")
    (root / "real/users").write_bytes(b"inside")
    assert read("etc/passwd", root) == b"inside"
    (root / "real/users").unlink()
    (root / "real/users").symlink_to(root.parent / "victim")
    assert read("etc/passwd", root) is None
    (root / "real/users").unlink()
    (root / "real/users").symlink_to("users")
    assert read("etc/passwd", root) is None


def test_reading_a_file_of_an_image_takes_the_topmost_layer(root: Path) -> None:
    top, below = root / "top", root / "below"
    for layer, text in ((top, "top"), (below, "below")):
        (layer / "etc").mkdir(parents=True)
        (layer / "etc/passwd").write_text(text)
    (below / "etc/group").write_text("group")
    assert read("etc/passwd", top, below) == b"top"
    assert read("etc/group", top, below) == b"group"
    assert read("etc/nothing", top, below) is None


@pytest.mark.host
def test_reading_a_file_of_an_image_heeds_whiteouts(root: Path) -> None:
    top, below = root / "top", root / "below"
    (below / "etc").mkdir(parents=True)
    (below / "etc/passwd").write_text("below")
    top.mkdir()
    unpack(top, entry("etc/.wh.passwd"))
    assert read("etc/passwd", top, below) is None
    (top / "etc/passwd").unlink()
    unpack(top, entry("etc/.wh..wh..opq"))
    assert read("etc/passwd", top, below) is None
