"""The access log is renamed at its size."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pillion.proxy.application.rotation import Renames, plan, rename

LOG = logging.getLogger(__name__)


@pytest.mark.parametrize("size", [0, 99])
def test_a_small_log_stays(size: int) -> None:
    assert plan("a.log", size=size, max_bytes=100, keep=2) is None


def test_the_oldest_goes_first_and_the_others_move() -> None:
    assert plan("a.log", size=100, max_bytes=100, keep=3) == Renames(
        steps=(("a.log.2", "a.log.3"), ("a.log.1", "a.log.2"), ("a.log", "a.log.1")), removed="a.log.3"
    )


def test_without_older_ones_to_keep_one_stays_for_what_envoy_still_writes() -> None:
    assert plan("a.log", size=100, max_bytes=100, keep=0) == Renames(
        steps=(("a.log", "a.log.1"),), removed="a.log.1"
    )


def test_renaming_keeps_as_many_as_it_should(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for number in range(4):
        log.write_text(str(number))
        renames = plan(str(log), size=1, max_bytes=1, keep=2)
        assert renames is not None
        assert rename(renames, LOG)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.log.1": "3", "a.log.2": "2"}


def test_a_log_that_is_not_there_is_not_renamed(tmp_path: Path) -> None:
    renames = plan(str(tmp_path / "a.log"), size=1, max_bytes=1, keep=2)
    assert renames is not None
    assert not rename(renames, LOG)


def test_a_log_that_cannot_be_renamed_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = tmp_path / "a.log"
    log.write_text("x")
    (tmp_path / "a.log.1").mkdir()
    (tmp_path / "a.log.1/file").touch()
    renames = plan(str(log), size=1, max_bytes=1, keep=1)
    assert renames is not None
    assert not rename(renames, LOG)
    assert "it goes on growing" in caplog.text
