"""hostPath types, checked and created."""

import os
import socket
import stat
from pathlib import Path

import pytest

from pillion.objects.models import core_v1
from pillion.volumes.failure import VolumeError
from pillion.volumes.hostpath import check_host_path


@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("content")
    (tmp_path / "link").symlink_to("dir")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
    return tmp_path


def check(path: Path | str, kind: str | None) -> None:
    check_host_path(core_v1.HostPathVolumeSource(path=str(path), type=kind))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("dir", "Directory"),
        ("dir", "DirectoryOrCreate"),
        ("link", "Directory"),
        ("file", "File"),
        ("file", "FileOrCreate"),
        ("sock", "Socket"),
        ("/dev/null", "CharDevice"),
        ("pipe", ""),
        ("file", None),
    ],
)
def test_a_path_of_the_type_is_accepted_and_left_as_it_is(host: Path, name: str, kind: str | None) -> None:
    before = (host / name).stat()
    check(host / name, kind)
    assert (host / name).stat() == before


@pytest.mark.parametrize(
    ("name", "kind", "description"),
    [
        ("file", "Directory", "directory"),
        ("file", "DirectoryOrCreate", "directory"),
        ("missing", "Directory", "directory"),
        ("dir", "File", "file"),
        ("dir", "FileOrCreate", "file"),
        ("pipe", "File", "file"),
        ("missing", "File", "file"),
        ("file", "Socket", "socket file"),
        ("file", "CharDevice", "character device"),
        ("file", "BlockDevice", "block device"),
    ],
)
def test_another_type_is_refused_in_the_kubelets_words(
    host: Path, name: str, kind: str, description: str
) -> None:
    with pytest.raises(VolumeError) as refused:
        check(host / name, kind)
    assert str(refused.value) == f"hostPath type check failed: {host / name} is not a {description}"


@pytest.mark.parametrize("kind", ["DirectoryOrCreate", "", None])
def test_a_missing_directory_is_created_with_its_parents(host: Path, kind: str | None) -> None:
    check(host / "new/er", kind)
    assert stat.S_IMODE((host / "new/er").stat().st_mode) == 0o755


def test_a_missing_file_is_created_empty(host: Path) -> None:
    check(host / "new", "FileOrCreate")
    assert (host / "new").read_bytes() == b""
    assert stat.S_IMODE((host / "new").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/srv/../etc", "", "invalid HostPath `/srv/../etc`: must not contain '..'"),
        ("/srv", "Folder", "Folder is an invalid volume type"),
        ("/nowhere/at/all", "FileOrCreate", "/nowhere/at/all: no such file or directory"),
        ("/dev/null/below", "DirectoryOrCreate", "/dev/null/below: not a directory"),
    ],
)
def test_what_cannot_be_is_told(path: str, kind: str, message: str) -> None:
    with pytest.raises(VolumeError) as refused:
        check(path, kind)
    assert str(refused.value) == message
