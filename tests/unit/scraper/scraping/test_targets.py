from __future__ import annotations

from typing import Any

import pytest

from pillion.scraper.configuration.scrapeconfig import ScrapeConfig
from pillion.scraper.configuration.targetgroups import TargetGroup
from pillion.scraper.labels import Action, RelabelConfig, Relabelling, regexp
from pillion.scraper.scraping.targets import Target, TargetError, discovered_labels, make_target

SOON: dict[str, Any] = {"scrape_interval": 15_000, "scrape_timeout": 10_000}


def target(
    *rules: RelabelConfig, address: str = "a:1", labels: dict[str, str] | None = None, **config: Any
) -> Target | None:
    job = ScrapeConfig(job_name="j", relabel_configs=rules, **SOON | config)
    group = TargetGroup(targets=(address,), labels=labels or {})
    return make_target(discovered_labels(address, group, job), Relabelling(rules), job)


def set_label(name: str, value: str) -> RelabelConfig:
    return RelabelConfig(target_label=name, replacement=value)


def test_a_target_has_job_and_instance() -> None:
    found = target(labels={"team": "x", "__meta_filepath": "/f"})
    assert found is not None
    assert found.public == (("instance", "a:1"), ("job", "j"), ("team", "x"))
    assert found.url == "http://a:1/metrics"
    assert (found.interval, found.timeout) == (15_000, 10_000)
    assert found.discovered["__meta_filepath"] == "/f"


URLS = [
    ({"metrics_path": "/probe"}, {}, "http://a:1/probe"),
    ({"scheme": "https"}, {}, "https://a:1/metrics"),
    ({"metrics_path": "m/x?y"}, {}, "http://a:1/m/x%3Fy"),
    ({"params": {"b": ("1 2", "3"), "a": ("&",)}}, {}, "http://a:1/metrics?a=%26&b=1+2&b=3"),
    ({"params": {"b": ("1", "3")}}, {"__param_b": "9"}, "http://a:1/metrics?b=9&b=3"),
    ({}, {"__param_module": "x"}, "http://a:1/metrics?module=x"),
    ({}, {"__address__": "other"}, "http://other/metrics"),
    ({}, {"__metrics_path__": "/n", "__scheme__": "https"}, "https://a:1/n"),
]


@pytest.mark.parametrize(("config", "changed", "url"), URLS)
def test_the_url_is_made_of_labels(config: dict[str, Any], changed: dict[str, str], url: str) -> None:
    found = target(*(set_label(name, value) for name, value in changed.items()), **config)
    assert found is not None
    assert found.url == url


def test_relabelling_may_change_the_interval_and_drop_the_target() -> None:
    found = target(set_label("__scrape_interval__", "1m"), set_label("__scrape_timeout__", "20s"))
    assert found is not None
    assert (found.interval, found.timeout) == (60_000, 20_000)
    drop = RelabelConfig(source_labels=("job",), regex=regexp("j"), action=Action.DROP)
    assert target(drop) is None


def test_an_address_stays_without_a_port() -> None:
    found = target(address="host")
    assert found is not None
    assert dict(found.public)["instance"] == "host"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("__address__", "", "no address"),
        ("__address__", "a/b", '"a/b" is not a valid hostname'),
        ("__scrape_interval__", "x", 'error parsing scrape interval: not a valid duration string: "x"'),
        ("__scrape_interval__", "0s", "scrape interval cannot be 0"),
        ("__scrape_timeout__", "0", "scrape timeout cannot be 0"),
        (
            "__scrape_timeout__",
            "16s",
            'scrape timeout cannot be greater than scrape interval ("16s" > "15s")',
        ),
    ],
)
def test_labels_that_make_no_target_are_errors_in_prometheus_words(name: str, value: str, text: str) -> None:
    with pytest.raises(TargetError) as error:
        target(set_label(name, value))
    assert str(error.value) == text
