"""The `..data` switch: layout, modes, what is rewritten, and what a reader can see meanwhile."""

import os
import re
import stat
import threading
from pathlib import Path

import pytest

from pillion.units import Instant
from pillion.volumes.atomicwriter import write_payload
from pillion.volumes.payload import File, Payload

NOW = Instant(1767323045.5)  # 2026-01-02 03:04:05 UTC


def nothing(_: Path) -> None:
    pass


def write(target: Path, **files: str) -> bool:
    payload = {name.replace("__", "/"): File(text.encode(), 0o644) for name, text in files.items()}
    return write_payload(target, payload, now=NOW, set_permissions=nothing)


def tree(target: Path) -> dict[str, str]:
    """What a container sees: every regular file by the path it is reached by, without the reserved names."""
    visible = [path for path in target.iterdir() if not path.name.startswith("..")]
    files = [file for path in visible for file in ([path] if path.is_file() else path.rglob("*"))]
    return {str(file.relative_to(target)): file.read_text() for file in files if file.is_file()}


def reserved(target: Path) -> list[str]:
    return sorted(path.name for path in target.iterdir() if path.name.startswith(".."))


def test_the_layout_is_the_kubelets(tmp_path: Path) -> None:
    assert write(tmp_path, plain="1", deep__er__file="2")
    data, stamped = reserved(tmp_path)[1], reserved(tmp_path)[0]
    assert re.fullmatch(r"\.\.2026_01_02_03_04_05\.\d+", stamped)
    assert (data, str((tmp_path / data).readlink())) == ("..data", stamped)
    assert str((tmp_path / "plain").readlink()) == "..data/plain"
    assert str((tmp_path / "deep").readlink()) == "..data/deep"
    assert tree(tmp_path) == {"plain": "1", "deep/er/file": "2"}


@pytest.mark.parametrize("mode", [0o400, 0o644, 0o666, 0o755, 0o000])
def test_modes_are_exact_whatever_the_umask_says(tmp_path: Path, mode: int) -> None:
    before = os.umask(0o077)
    try:
        write_payload(tmp_path, {"d/f": File(b"x", mode)}, now=NOW, set_permissions=nothing)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "d/f").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "..data").stat().st_mode) == 0o755


def test_identical_content_is_not_written_again_even_with_other_modes(tmp_path: Path) -> None:
    write(tmp_path, a="1", b="2")
    before = reserved(tmp_path)
    changed = {"a": File(b"1", 0o600), "b": File(b"2", 0o600)}
    assert not write_payload(tmp_path, changed, now=NOW, set_permissions=nothing)
    assert reserved(tmp_path) == before
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "after",
    [
        {"a": "2", "b": "2"},
        {"a": "1", "b": "2", "c": "3"},
        {"a": "1"},
        {"b": "2"},
        {},
        {"a__x": "1"},
    ],
    ids=str,
)
def test_an_update_leaves_exactly_the_new_files_and_one_version(
    tmp_path: Path, after: dict[str, str]
) -> None:
    write(tmp_path, a="1", b="2")
    assert write(tmp_path, **after)
    assert tree(tmp_path) == {name.replace("__", "/"): text for name, text in after.items()}
    assert len(reserved(tmp_path)) == 2
    assert {path.name for path in tmp_path.iterdir() if path.is_symlink()} == {
        "..data",
        *(name.split("__")[0] for name in after),
    }


def test_links_that_an_earlier_process_did_not_get_to_are_made_up_for(tmp_path: Path) -> None:
    write(tmp_path, a="1", b="2")
    (tmp_path / "b").unlink()
    assert not write(tmp_path, a="1", b="2")
    assert tree(tmp_path) == {"a": "1", "b": "2"}


def test_what_a_killed_writer_left_is_cleared_away(tmp_path: Path) -> None:
    write(tmp_path, a="1")
    (tmp_path / "..2026_01_01_00_00_00.1").mkdir()
    (tmp_path / "..2026_01_01_00_00_00.1/a").write_text("half")
    (tmp_path / "..data_tmp").symlink_to("..2026_01_01_00_00_00.1")
    assert write(tmp_path, a="2")
    assert tree(tmp_path) == {"a": "2"}
    assert len(reserved(tmp_path)) == 2


@pytest.mark.parametrize("payload", [{"a": File(b"new", 0o644), "a/b": File(b"x", 0o644)}])
def test_a_failed_update_leaves_the_old_version_and_no_rest(tmp_path: Path, payload: Payload) -> None:
    write(tmp_path, a="old")
    before = reserved(tmp_path)
    with pytest.raises(OSError, match="a"):
        write_payload(tmp_path, payload, now=NOW, set_permissions=nothing)
    assert tree(tmp_path) == {"a": "old"}
    assert reserved(tmp_path) == before


def test_permissions_are_set_before_anybody_can_see_the_files(tmp_path: Path) -> None:
    seen: list[bool] = []

    def set_permissions(fresh: Path) -> None:
        seen.append((fresh / "a").exists() and not (tmp_path / "..data").exists())

    write_payload(tmp_path, {"a": File(b"1", 0o600)}, now=NOW, set_permissions=set_permissions)
    assert seen == [True]


def read_file(name: str, directory: int) -> str:
    file = os.open(name, os.O_RDONLY, dir_fd=directory)
    try:
        return os.read(file, 16).decode()
    finally:
        os.close(file)


def test_a_reader_never_sees_two_versions_mixed(tmp_path: Path) -> None:
    """Reads through one resolution of `..data`, as an application that opens the directory does."""
    names = [f"f{number}" for number in range(8)]
    write(tmp_path, **dict.fromkeys(names, "0"))
    mixed: list[set[str]] = []
    versions: set[str] = set()
    stopped = threading.Event()

    def read_version() -> set[str]:
        directory = os.open(tmp_path / "..data", os.O_RDONLY | os.O_DIRECTORY)
        try:
            return {read_file(name, directory) for name in names}
        finally:
            os.close(directory)

    def read() -> None:
        while not stopped.is_set():
            try:
                contents = read_version()
            except FileNotFoundError:
                continue  # this version was taken away meanwhile: the reader starts over with the new one
            versions.update(contents)
            if len(contents) > 1:
                mixed.append(contents)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for version in range(1, 150):
            write(tmp_path, **dict.fromkeys(names, str(version)))
    finally:
        stopped.set()
        reader.join()
    assert not mixed
    assert len(versions) > 1
