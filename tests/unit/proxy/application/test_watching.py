"""Files that have changed are read once they have come to rest."""

from __future__ import annotations

from pathlib import Path

from pillion.proxy.application.watching import Signature, Watched, changed, look

OLD: dict[str, Signature] = {"tls.crt": (1, 1, 1, 1), "tls.key": (1, 2, 1, 1)}
HALF: dict[str, Signature] = {**OLD, "tls.crt": (1, 3, 2, 1)}
NEW: dict[str, Signature] = {**HALF, "tls.key": (1, 4, 3, 1)}


def test_nothing_is_read_while_nothing_changes() -> None:
    watched = Watched(used=OLD, seen=OLD)
    assert changed(watched, OLD) == (frozenset(), watched)


def test_files_that_change_one_after_the_other_are_read_together() -> None:
    watched = Watched(used=OLD, seen=OLD)
    for seen, read in ((HALF, set()), (NEW, set()), (NEW, {"tls.crt", "tls.key"}), (NEW, set())):
        found, watched = changed(watched, seen)
        assert found == read
    assert watched.is_settled


def test_what_changes_and_changes_back_is_not_read() -> None:
    watched = Watched(used=OLD, seen=OLD)
    _, watched = changed(watched, HALF)
    assert not watched.is_settled
    assert changed(watched, OLD) == (frozenset(), Watched(used=OLD, seen=OLD))


def test_a_file_that_goes_counts_as_a_change() -> None:
    gone: dict[str, Signature] = {**OLD, "tls.key": None}
    _, watched = changed(Watched(used=OLD, seen=OLD), gone)
    assert changed(watched, gone)[0] == {"tls.key"}


def test_a_swapped_link_above_a_file_changes_its_signature(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}/tls.crt").write_text("same size")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "tls.crt").symlink_to("..data/tls.crt")
    path = str(tmp_path / "tls.crt")
    before = look([path])
    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert look([path]) != before
    assert look([str(tmp_path / "none")]) == {str(tmp_path / "none"): None}
