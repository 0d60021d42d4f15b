"""Opening a path inside a volume while somebody in a container plays tricks with its names."""

import os
import threading
from pathlib import Path

import pytest

from pillion.volumes.subpath import EscapeError, clean_targets, make_sub_path, open_inside, read_inside


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / "outside/inner").mkdir(parents=True)
    (tmp_path / "outside/file").write_text("host's own")
    (tmp_path / "volume/dir/inner").mkdir(parents=True)
    (tmp_path / "volume/file").write_text("text")
    return tmp_path / "volume"


def test_a_name_that_turns_into_a_link_between_two_steps_never_leads_outside(volume: Path) -> None:
    outside = (volume.parent / "outside/inner").stat()
    (volume / "link").symlink_to(volume.parent / "outside")
    stopped = threading.Event()

    def swap() -> None:
        while not stopped.is_set():
            (volume / "dir").rename(volume / "aside")
            (volume / "link").rename(volume / "dir")
            (volume / "dir").rename(volume / "link")
            (volume / "aside").rename(volume / "dir")

    swapper = threading.Thread(target=swap)
    swapper.start()
    opened = 0
    try:
        for _ in range(1000):
            try:
                fd = open_inside(str(volume), str(volume / "dir/inner"))
            except OSError:
                continue
            opened += 1
            escaped = os.path.samestat(os.fstat(fd), outside)
            os.close(fd)
            assert not escaped
    finally:
        stopped.set()
        swapper.join()
    assert opened


def test_a_volume_beside_one_of_a_longer_name_is_not_inside_it(volume: Path) -> None:
    (volume.parent / "volume-two").mkdir()
    (volume / "sibling").symlink_to("../volume-two")
    with pytest.raises(EscapeError):
        open_inside(str(volume), str(volume / "sibling"))


@pytest.mark.parametrize("sub_path", ["dir/inner/new", "./new//er/", "file"])
def test_a_path_is_created_inside_unless_it_is_there(volume: Path, sub_path: str) -> None:
    volume.chmod(0o2770)
    existed = (volume / sub_path).exists()
    make_sub_path(str(volume), sub_path)
    assert (volume / sub_path).exists()
    assert existed or (volume / sub_path).stat().st_mode & 0o7777 == 0o2770


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("file", "text"),
        ("missing", None),
        ("file/below", None),
        ("dir", None),
        ("escape", None),
        ("pipe", None),
    ],
)
def test_a_file_for_the_environment_is_read_without_leaving_the_volume(
    volume: Path, path: str, text: str | None
) -> None:
    (volume / "escape").symlink_to("../outside/file")
    os.mkfifo(volume / "pipe")
    assert read_inside(str(volume), path) == text


def test_targets_with_content_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "subpaths/v/main/0").mkdir(parents=True)
    (tmp_path / "subpaths/v/main/1").touch()
    (tmp_path / "subpaths/v/main/0/precious").write_text("kept")
    with pytest.raises(OSError, match="not empty"):
        clean_targets(tmp_path / "subpaths")
    assert (tmp_path / "subpaths/v/main/0/precious").read_text() == "kept"
