"""The working folder: private, replaced file by file, removed by its owner or by who comes next."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillion.errors import HostError
from pillion.proxy.application.folder import PREFIX, open_folder, sweep


def test_it_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
        folder.write({"lds.json": b"{}"})
    assert list(tmp_path.iterdir()) == []


def test_only_what_has_changed_is_written_and_by_renaming(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:
        assert folder.write({"a": b"1", "b": b"1"}) == ["a", "b"]
        before = (folder.path / "b").stat().st_ino
        assert folder.write({"a": b"1", "b": b"2"}) == ["b"]
        assert (folder.path / "b").stat().st_ino != before
        folder.keep_only({"b"})
        assert [path.name for path in folder.path.iterdir()] == ["b"]
        assert folder.write({"a": b"1"}) == ["a"]


def test_the_folder_of_a_dead_one_is_removed_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    dead = tmp_path / f"{PREFIX}dead"
    dead.mkdir()
    (dead / "lds.json").touch()
    others = tmp_path / "other"
    others.mkdir()
    with open_folder(tmp_path) as alive:
        assert not dead.exists()
        sweep(tmp_path)
        assert alive.path.exists()
    assert list(tmp_path.iterdir()) == [others]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    parent = tmp_path / "parent"
    parent.mkdir()
    (parent / f"{PREFIX}link").symlink_to(precious)
    sweep(parent)
    assert (precious / "file").exists()


def test_a_place_that_is_not_there_is_said(tmp_path: Path) -> None:
    with (
        pytest.raises(HostError, match=r"cannot make a working folder in .*none"),
        open_folder(tmp_path / "none"),
    ):
        pass
