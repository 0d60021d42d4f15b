"""Where checkpoints go when nobody says where: above all, what outlives a container."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.collector.configuration.house import MAIN, MemoryFiles

from pillion.collector.catalogue import Catalogue
from pillion.collector.configuration import Configuration, load
from pillion.collector.pipeline.folders import candidates, open_folders, tails_without_db

ELSEWHERE = -1
"""A device that nothing is on: everything is on a volume."""


def configured(path: str, *more: str) -> Configuration:
    lines = [
        "[INPUT]",
        " name tail",
        f" path {path}",
        *(f" {each}" for each in more),
        "[OUTPUT]",
        " name null",
    ]
    return load(MAIN, MemoryFiles({MAIN: "\n".join([*lines, " match *", ""])}), {}, plugins=Catalogue())


def test_on_a_machine_logs_have_nothing_to_do_with_it(tmp_path: Path) -> None:
    assert list(candidates(configured(f"{tmp_path}/*.log"), {"HOME": "/home/me"}, None)) == [
        Path("/var/lib/pillion-collector"),
        Path("/home/me/.local/state/pillion-collector"),
    ]


def test_in_a_container_what_is_on_a_volume_goes_first(tmp_path: Path) -> None:
    own = tmp_path.stat().st_dev
    here = {"XDG_STATE_HOME": str(tmp_path)}
    found = list(candidates(configured(f"{tmp_path}/*.log"), here, own))
    assert tmp_path / ".pillion-collector" not in found
    found = list(candidates(configured(f"{tmp_path}/*.log"), here, ELSEWHERE))
    assert found[-1] == tmp_path / ".pillion-collector"


@pytest.mark.parametrize(
    "pattern", ["agent/*.log", "agent/[ab].log", "agent/a.log", "agent/*/b.log", "agent/later/*/b"]
)
def test_the_volume_is_what_stands_before_the_first_wildcard_as_far_as_it_exists(
    tmp_path: Path, pattern: str
) -> None:
    (tmp_path / "agent").mkdir()
    found = list(candidates(configured(f"{tmp_path}/{pattern}"), {}, ELSEWHERE))
    assert found[-1] == tmp_path / "agent" / ".pillion-collector"


def test_a_folder_that_was_named_is_the_only_one(tmp_path: Path) -> None:
    assert list(candidates(configured("/l/*"), {"PILLION_COLLECTOR_STATE": "/s"}, ELSEWHERE)) == [Path("/s")]


def test_a_tail_with_a_database_of_its_own_needs_none(tmp_path: Path) -> None:
    assert tails_without_db(configured("/l/*", "db /v/l.db")) == []
    assert len(tails_without_db(configured("/l/*"))) == 1


def test_a_second_collector_gets_no_checkpoints_of_the_first(tmp_path: Path) -> None:
    configuration = configured("/l/*")
    state = {"PILLION_COLLECTOR_STATE": str(tmp_path)}
    with open_folders(configuration, state) as first, open_folders(configuration, state) as second:
        assert first.checkpoints is not None
        assert second.checkpoints is None
    with open_folders(configuration, state) as third:
        assert third.checkpoints == first.checkpoints
