"""Rotated log files: their names, their number, and what is said to be lost."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pillion.containers.rotation import (
    BUSY_SECONDS,
    MAX_BYTES,
    QUIET_SECONDS,
    compress_all,
    next_look,
    remove_excess,
    remove_older,
    remove_temporary,
    rotated,
    rotated_name,
)
from pillion.units import Instant

NOW = Instant(1767323045.9)  # 2026-01-02T03:04:05.9Z


def log_with(folder: Path, *suffixes: str) -> Path:
    log = folder / "0.log"
    log.write_bytes(b"current")
    for suffix in suffixes:
        (folder / f"0.log.{suffix}").write_bytes(suffix.encode())
    return log


def names(paths: list[Path]) -> list[str]:
    return [path.name.removeprefix("0.log.") for path in paths]


@pytest.mark.parametrize(
    ("grown", "within", "pause"),
    [
        (0, 0.25, QUIET_SECONDS),
        (100, 0.25, QUIET_SECONDS),
        (MAX_BYTES // 10, 0.5, 0.5),
        (MAX_BYTES // 10, 1.0, QUIET_SECONDS),
        (MAX_BYTES, 1.0, BUSY_SECONDS),
        (10 * MAX_BYTES, 0.25, BUSY_SECONDS),
    ],
)
def test_the_faster_a_log_grows_the_sooner_is_the_next_look(grown: int, within: float, pause: float) -> None:
    assert next_look(grown, within) == pytest.approx(pause, rel=1e-5)


def test_a_rotated_file_is_named_by_the_second_in_utc(tmp_path: Path) -> None:
    assert rotated_name(log_with(tmp_path), NOW).name == "0.log.20260102-030405"


def test_files_of_one_second_keep_their_order(tmp_path: Path) -> None:
    log = log_with(tmp_path)
    made = []
    for _ in range(3):
        target = rotated_name(log, NOW)
        target.write_bytes(b"")
        made.append(target)
    compress_all(made[:1])
    made.append(rotated_name(log, NOW))
    made[-1].write_bytes(b"")
    assert names(rotated(log)) == [
        "20260102-030405.gz",
        "20260102-030405.001",
        "20260102-030405.002",
        "20260102-030405.003",
    ]


def test_other_attempts_and_half_written_files_are_none_of_its_own(tmp_path: Path) -> None:
    log = log_with(tmp_path, "20260102-030405", "20260102-030406.tmp")
    (tmp_path / "1.log").touch()
    (tmp_path / "10.log.20260102-030405").touch()
    assert names(rotated(log)) == ["20260102-030405"]
    remove_temporary(log)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0.log",
        "0.log.20260102-030405",
        "1.log",
        "10.log.20260102-030405",
    ]


def test_the_oldest_go_first_and_their_bytes_are_counted_uncompressed(tmp_path: Path) -> None:
    log = log_with(tmp_path, "20260101-000000", "20260102-000000", "20260103-000000")
    (tmp_path / "0.log.20260101-000000").write_bytes(b"x" * 1000)
    compress_all([tmp_path / "0.log.20260101-000000"])
    assert remove_excess(log, 1) == 1000 + len("20260102-000000")
    assert names(rotated(log)) == ["20260103-000000"]
    assert remove_excess(log, 1) == 0


@pytest.mark.parametrize(
    ("there", "left"),
    [
        ([], []),
        (["0.log"], ["0.log"]),
        (["8.log", "9.log", "10.log"], ["10.log", "9.log"]),
        (
            ["0.log", "0.log.20260101-000000.gz", "1.log", "1.log.20260101-000000", "3.log"],
            ["1.log", "1.log.20260101-000000", "3.log"],
        ),
        (["0", "1", "2", "notes"], ["1", "2", "notes"]),
    ],
)
def test_only_the_newest_two_instances_keep_their_files(tmp_path: Path, there, left) -> None:
    for name in there:
        (tmp_path / name).touch()
    remove_older(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    remove_older(tmp_path / "absent", 2)


def test_compressing_keeps_the_text_and_skips_what_is_gone(tmp_path: Path) -> None:
    log = log_with(tmp_path, "20260101-000000")
    compress_all([tmp_path / "0.log.gone", tmp_path / "0.log.20260101-000000"])
    assert names(rotated(log)) == ["20260101-000000.gz"]
    assert gzip.decompress(rotated(log)[0].read_bytes()) == b"20260101-000000"
