"""Random schedules of a writer that rotates, and a collector that is killed, restarted, reloaded and paused while its
output is in a bad mood: no line is lost, whatever happens. Duplicates are counted: there are some only after a kill, or
when the other side kept its answer to itself.

`PILLION_DRILL_SEEDS=17,23` plays those schedules again.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.integration.collector.schedules import Life, Schedule, Step

SECONDS = 1.1
_ASKED = os.environ.get("PILLION_DRILL_SEEDS", "")
SEEDS = [int(seed) for seed in _ASKED.split(",")] if _ASKED else range(50)
QUICK = 8
"""The seed of one that is killed three times."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_no_line_is_lost_whatever_happens(seed: int, tmp_path: Path) -> None:
    life = Life(tmp_path, Schedule.of(seed, SECONDS))
    life.run()
    print(life.check())


def test_no_line_is_lost_in_one_schedule_with_kills(tmp_path: Path) -> None:
    schedule = Schedule.of(QUICK, 0.5)
    assert Step.KILL in schedule.steps
    life = Life(tmp_path, schedule)
    life.run()
    life.check()
