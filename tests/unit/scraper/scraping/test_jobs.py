from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from tests.unit.scraper.scraping.lab import Lab, job, run

from pillion.scraper.configuration import ScrapeConfig
from pillion.scraper.labels import Action, RelabelConfig, regexp

PAGE = "a 1\nb 2\n"


def every(lab: Lab, interval: float, name: str = "up") -> None:
    times = [time for _, time in lab.named(name)]
    gaps = {round(after - before, 3) for before, after in pairwise(times)}
    assert gaps == {interval}


def test_a_target_is_scraped_once_in_each_interval() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(100)

    lab = run(scenario)
    assert len(lab.named("up")) in (10, 11)
    every(lab, 10)
    assert {value for value, _ in lab.named("a")} == {1}


def test_targets_are_spread_over_the_interval() -> None:
    async def scenario(lab: Lab) -> None:
        lab.apply(job(*(f"a:{port}" for port in range(1, 21))))
        await asyncio.sleep(10)

    lab = run(scenario)
    assert len({time for _, time in lab.asked}) == len(lab.asked) == 20
    assert max(time for _, time in lab.asked) - min(time for _, time in lab.asked) > 5


def test_a_slow_scrape_makes_later_ones_neither_late_nor_many() -> None:
    async def scenario(lab: Lab) -> None:
        async def slow() -> str:
            if len(lab.asked) == 2:
                await asyncio.sleep(25)
            return PAGE

        lab.answers["a:1"] = slow
        lab.apply(job("a:1"))
        await asyncio.sleep(100)

    lab = run(scenario)
    begins = [time for _, time in lab.asked]
    assert [round(time - begins[0], 3) for time in begins[:5]] == [0, 10, 35, 40, 50]


def test_a_target_that_is_gone_gets_markers_after_two_intervals_and_a_tenth() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(25)
        lab.apply()
        before = len(lab.batches)
        last = lab.named("up")[-1][1]
        while len(lab.batches) == before:  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(0.1)
        assert lab.elapsed - last == pytest.approx(10 + 10 + 1, abs=0.11)
        assert lab.named("a")[-1] == ("stale", pytest.approx(last + 10))
        assert lab.named("up")[-1] == ("stale", pytest.approx(last + 10))

    run(scenario)


def test_a_target_that_comes_back_in_time_gets_no_markers() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(25)
        lab.apply()
        await asyncio.sleep(5)
        lab.apply(job("a:1"))
        await asyncio.sleep(60)

    lab = run(scenario)
    assert "stale" not in {value for value, _ in [*lab.named("a"), *lab.named("up")]}


def test_nothing_gets_markers_when_the_program_ends() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(25)
        before = len(lab.asked)
        await lab.jobs.stop(5)
        assert len(lab.asked) == before + 1  # the last one
        assert lab.named("a")[-1] == (1, pytest.approx(25, abs=0.01))

    lab = run(scenario)
    assert "stale" not in {value for value, _ in lab.named("a")}


def test_the_last_scrape_of_an_agent_that_is_gone_writes_nothing() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(25)
        del lab.answers["a:1"]
        before = len(lab.batches)
        await lab.jobs.stop(5)
        assert len(lab.batches) == before

    run(scenario)


def test_the_end_waits_for_a_scrape_that_is_under_way_but_not_for_ever() -> None:
    async def scenario(lab: Lab) -> None:
        async def hanging() -> str:
            await asyncio.Event().wait()
            return PAGE

        lab.answers["a:1"] = hanging
        lab.apply(job("a:1"))
        await asyncio.sleep(25)
        begun = lab.elapsed
        await lab.jobs.stop(3)
        assert lab.elapsed - begun <= 3.01

    run(scenario)


def test_a_reload_that_changes_nothing_for_a_target_keeps_its_phase_and_its_series() -> None:
    def changed() -> ScrapeConfig:
        return job("a:1", sample_limit=100)

    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(25)
        lab.apply(changed())
        await asyncio.sleep(30)

    lab = run(scenario)
    every(lab, 10)
    assert [value for value, _ in lab.named("scrape_series_added")] == [2, *[0] * (len(lab.named("up")) - 1)]
    assert "stale" not in {value for value, _ in lab.named("a")}


def test_after_a_reload_series_that_are_no_longer_there_end_and_others_go_on() -> None:
    drop = RelabelConfig(source_labels=("__name__",), regex=regexp("b"), action=Action.DROP)

    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(25)
        lab.apply(job("a:1", metric_relabel_configs=(drop,)))
        await asyncio.sleep(40)

    lab = run(scenario)
    every(lab, 10)
    assert [value for value, _ in lab.named("b")][-1] == "stale"
    assert "stale" not in {value for value, _ in [*lab.named("a"), *lab.named("up")]}


def test_too_many_targets_fail_all_of_them_unasked() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers |= {"a:1": PAGE, "a:2": PAGE}
        lab.apply(job("a:1", "a:2", target_limit=1))
        await asyncio.sleep(15)
        assert lab.asked == []
        assert {value for value, _ in lab.named("up")} == {0}
        loop = next(iter(lab.jobs.pools[0].loops))
        assert loop.last_error == "target_limit exceeded (number of targets: 2, limit: 1)"
        assert lab.counters.exceeded_target_limit == 1
        lab.apply(job("a:1", target_limit=1))
        await asyncio.sleep(15)
        assert 1 in {value for value, _ in lab.named("up")}

    run(scenario)


def test_dropped_targets_are_kept_as_far_as_they_are_wanted() -> None:
    drop = RelabelConfig(source_labels=("__address__",), regex=regexp("b:.*"), action=Action.DROP)

    async def scenario(lab: Lab) -> None:
        lab.apply(job("a:1", "b:1", "b:2", "b:3", relabel_configs=(drop,), keep_dropped_targets=2))
        pool = lab.jobs.pools[0]
        assert [labels["__address__"] for labels in pool.dropped] == ["b:1", "b:2"]
        assert pool.dropped_count == 3
        assert len(pool.loops) == 1

    run(scenario)


def test_two_targets_that_become_one_are_scraped_once() -> None:
    same = RelabelConfig(target_label="__address__", replacement="a:1")

    async def scenario(lab: Lab) -> None:
        lab.apply(job("a:1", "b:1", relabel_configs=(same,)))
        assert len(lab.jobs.pools[0].loops) == 1

    run(scenario)


def test_a_page_that_cannot_be_read_is_a_failed_scrape() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = PAGE
        lab.apply(job("a:1"))
        await asyncio.sleep(15)
        lab.answers["a:1"] = "a 1\nb {\n"
        await asyncio.sleep(10)
        assert lab.named("up")[-1][0] == 0
        assert lab.named("a")[-1][0] == "stale"

    run(scenario)
