"""One pillion per state directory."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

import pytest

from pillion.daemon import lock
from pillion.errors import HostError
from pillion.statedir import StateDir


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    state = StateDir(PurePosixPath(tmp_path / "state"))
    with (
        lock.hold(state),
        pytest.raises(HostError, match=rf"another pillion \(process {os.getpid()}\) works in it"),
        lock.hold(state),
    ):
        pytest.fail("both hold it")
    with lock.hold(state):
        pass


def test_the_lock_of_a_dead_process_is_free(tmp_path: Path) -> None:
    state = StateDir(PurePosixPath(tmp_path))
    child = os.fork()
    if child == 0:
        with lock.hold(state):
            os._exit(0)
    os.waitpid(child, 0)
    assert Path(state.lock).read_text() == f"{child}\n"
    with lock.hold(state):
        assert Path(state.lock).read_text() == f"{os.getpid()}\n"


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = f"cannot use the state directory {tmp_path}/file/state: Not a directory; choose another with --state-dir"
    with (
        pytest.raises(HostError, match=re.escape(said)),
        lock.hold(StateDir(PurePosixPath(tmp_path / "file/state"))),
    ):
        pytest.fail("held")
