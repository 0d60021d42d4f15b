"""Deleting and measuring trees that containers left behind."""

import os
from pathlib import Path

from pillion.volumes.removal import disk_usage, remove_tree


def test_links_are_deleted_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "kept").mkdir(parents=True)
    (outside / "kept/file").write_text("precious")
    volume = tmp_path / "volume"
    (volume / "sub").mkdir(parents=True)
    (volume / "to-dir").symlink_to(outside)
    (volume / "sub/to-file").symlink_to(outside / "kept/file")
    (volume / "dangling").symlink_to("nowhere")
    remove_tree(str(volume))
    assert not volume.exists()
    assert (outside / "kept/file").read_text() == "precious"


def test_a_volume_that_is_itself_a_link_loses_only_the_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("precious")
    (tmp_path / "volume").symlink_to("outside")
    remove_tree(str(tmp_path / "volume"))
    assert not (tmp_path / "volume").is_symlink()
    assert (tmp_path / "outside/file").read_text() == "precious"


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "missing"))
    remove_tree(str(tmp_path / "missing/too"))


def test_a_tree_deeper_than_any_path_may_be_is_deleted(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("volume", dir_fd=fd)
        child = os.open("volume", os.O_RDONLY, dir_fd=fd)
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=child))
        os.close(fd)
        fd = child
    os.close(fd)
    remove_tree(str(tmp_path / "volume"))
    assert list(tmp_path.iterdir()) == []


def test_names_that_are_not_text_and_special_files_are_deleted(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / os.fsdecode(b"\xff\xfe")).write_text("x")
    os.mkfifo(volume / "pipe")
    remove_tree(str(volume))
    assert not volume.exists()


def test_usage_counts_blocks_not_lengths_and_hard_links_once(tmp_path: Path) -> None:
    empty = disk_usage(str(tmp_path))
    (tmp_path / "full").write_bytes(b"x" * 1_000_000)
    os.sync()
    full = disk_usage(str(tmp_path)) - empty
    assert 1_000_000 <= full <= 1_100_000
    (tmp_path / "again").hardlink_to(tmp_path / "full")
    with (tmp_path / "sparse").open("wb") as sparse:
        sparse.truncate(1 << 30)
    assert disk_usage(str(tmp_path)) - empty == full


def test_usage_does_not_follow_links_and_bears_with_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "volume").mkdir()
    empty = disk_usage(str(tmp_path / "volume"))
    (tmp_path / "volume/usr").symlink_to("/usr")
    assert disk_usage(str(tmp_path / "volume")) - empty <= 4096
    assert disk_usage(str(tmp_path / "missing")) == 0
