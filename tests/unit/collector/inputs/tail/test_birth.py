"""What was made while the collector started is new to it."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from pillion.collector.inputs.tail.birth import born
from pillion.collector.inputs.tail.identity import FileId
from pillion.collector.inputs.tail.positions import Positions
from pillion.collector.inputs.tail.settings import TailSettings

HOUR = 3600


@pytest.mark.parametrize(
    ("began_before_the_file", "offset"),
    [(HOUR, 0), (-HOUR, 5), (None, 5)],
    ids=["made since", "made before", "nobody knows"],
)
def test_only_files_from_before_the_process_begin_at_their_end(
    tmp_path: Path, began_before_the_file: float | None, offset: int
) -> None:
    file = tmp_path / "a.log"
    file.write_text("line\n")
    with file.open("rb") as opened:
        birth = born(opened.fileno())
        if birth is None:
            pytest.skip("this file system does not tell when a file was made")
        began = None if began_before_the_file is None else birth - began_before_the_file
        positions = Positions(TailSettings(path=("*",)), logging.getLogger("test"), began)
        seen = os.fstat(opened.fileno())
        position = positions.position(
            opened.fileno(), FileId(seen.st_dev, seen.st_ino), str(file), is_first_look=True
        )
    assert position.offset == offset


def test_a_birth_is_not_moved_by_writing(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.touch()
    with file.open("ab") as opened:
        birth = born(opened.fileno())
        if birth is None:
            pytest.skip("this file system does not tell when a file was made")
        assert abs(birth - time.time()) < HOUR
        os.utime(opened.fileno(), (1, 1))
        assert born(opened.fileno()) == birth
