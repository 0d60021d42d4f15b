from __future__ import annotations

import asyncio
import json
import logging
import math
from pathlib import Path

import pytest
from tests.unit.scraper.scraping.lab import Lab, job, run

from pillion.errors import HostError
from pillion.scraper.scraping.failurelogs import FailureLogs
from pillion.scraper.scraping.observations import MAX_AGE, Summary


def shown(summary: Summary, now: float) -> dict[str, float]:
    return {
        dict(sample.labels).get("quantile", dict(sample.labels)["__name__"]): sample.value
        for sample in summary.samples("s", {}, now)
    }


def test_quantiles_are_those_of_the_last_ten_minutes_and_the_sum_is_of_all() -> None:
    summary = Summary()
    summary.observe(1000, 0)
    for number in range(1, 101):
        summary.observe(number, 1 + number)
    found = shown(summary, MAX_AGE)
    assert [found[quantile] for quantile in ("0.01", "0.05", "0.5", "0.9", "0.99")] == [1, 5, 50, 90, 99]
    assert (found["s_sum"], found["s_count"]) == (1000 + 5050, 101)
    assert math.isnan(shown(summary, 10 * MAX_AGE)["0.5"])


def test_scrapes_syncs_and_reloads_are_measured_by_prometheus_names() -> None:
    async def scenario(lab: Lab) -> None:
        lab.answers["a:1"] = "n 1\n"
        lab.apply(job("a:1", interval=60_000))
        lab.apply(job("a:1", interval=60_000, honor_labels=True))
        await asyncio.sleep(200)
        found = {
            (dict(s.labels)["__name__"], dict(s.labels).get("quantile"), *labels): s.value
            for family in lab.counters.families(lab.now())
            for s in family.samples
            for labels in [[v for n, v in s.labels if n in ("interval", "scrape_job")]]
        }
        assert found["prometheus_target_interval_length_seconds", "0.5", "1m0s"] == 60
        assert found["prometheus_target_interval_length_seconds_count", None, "1m0s"] == 2
        assert found["prometheus_target_sync_length_seconds_count", None, "j"] == lab.counters.syncs["j"]
        assert found["prometheus_target_sync_length_histogram_seconds_count", None, "j"] > 0
        assert found["prometheus_target_reload_length_seconds_count", None, "1m0s"] == 1

    run(scenario)


def test_scrapes_that_get_no_page_are_logged_and_bad_pages_are_not(tmp_path: Path) -> None:
    file = str(tmp_path / "failures")

    async def scenario(lab: Lab) -> None:
        lab.failures.reopen([file])
        lab.answers["b:1"] = "no page\n"
        lab.apply(job("a:1", "b:1", scrape_failure_log_file=file))
        await asyncio.sleep(15)

    run(scenario)
    lines = [json.loads(line) for line in (tmp_path / "failures").read_text().splitlines()]
    assert lines
    assert {(each["level"], each["msg"], each["job_name"], each["target"]) for each in lines} == {
        ("ERROR", "connection refused", "j", "http://a:1/metrics")
    }
    assert lines[0]["time"].startswith("2001-09-09T01:46:")


def test_a_failure_log_is_opened_again_and_one_that_cannot_be_keeps_the_others(tmp_path: Path) -> None:
    file = tmp_path / "log"
    logs = FailureLogs(logging.getLogger("tests"))
    logs.reopen([str(file)])
    logs.write(str(file), job="j", target="t", error="one", now=0)
    file.rename(tmp_path / "log.1")
    with pytest.raises(HostError, match="cannot write scrape_failure_log_file"):
        logs.reopen([str(tmp_path / "none" / "log")])
    logs.write(str(file), job="j", target="t", error="two", now=0)
    logs.reopen([str(file)])
    logs.write(str(file), job="j", target="t", error="three", now=0)
    logs.close()
    assert [json.loads(line)["msg"] for line in (tmp_path / "log.1").read_text().splitlines()] == [
        "one",
        "two",
    ]
    assert [json.loads(line)["msg"] for line in file.read_text().splitlines()] == ["three"]
