"""The sidecar's own metrics, as Prometheus' own client reads them; and when the end of a certificate is said."""

from __future__ import annotations

from collections import Counter

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pillion.proxy.application.eventrecords import EventCounts
from pillion.proxy.application.expiry import Stage, stage
from pillion.proxy.application.ownmetrics import ProcessFigures, write_page
from pillion.proxy.application.state import CONFIGURATION, Outcome, State
from pillion.proxy.certificates.material import Leaf
from pillion.proxy.configuration.values import Configuration
from pillion.units import Instant

LEAF = Leaf(subject="s", issuer="i", serial="1f", not_before=Instant(1000.0), not_after=Instant(2000.0))


def samples(state: State) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = write_page(state, {"envoy": ProcessFigures(resident_bytes=5, cpu_seconds=1.5)}).decode()
    return {
        (sample.name.removeprefix("pillion_proxy_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_page_says_what_was_taken_what_was_refused_and_when_certificates_end() -> None:
    state = State(
        started=10.5,
        serving=Configuration(file="f"),
        is_draining=True,
        configuration=Outcome(is_successful=False, successful_at=11.0),
        certificates={"agent": Outcome(successful_at=12.0)},
        leafs={"agent": LEAF},
        updates=Counter({"agent": 2}),
        rejected=Counter({(CONFIGURATION, "invalid"): 3, ("agent", "expired"): 1}),
        rotations=4,
        events=EventCounts(sent=5, dropped=Counter({"forbidden": 6})),
    )
    found = samples(state)
    agent = ("certificate", "agent")
    for name, labels, value in (
        ("start_time_seconds", (), 10.5),
        ("draining", (), 1),
        ("config_last_reload_successful", (), 0),
        ("config_last_reload_success_timestamp_seconds", (), 11),
        ("certificate_last_reload_successful", (agent,), 1),
        ("certificate_not_after_timestamp_seconds", (agent,), 2000),
        ("updates_total", (("kind", "configuration"),), 0),
        ("updates_total", (agent, ("kind", "certificate")), 2),
        ("updates_rejected_total", (("kind", "configuration"), ("reason", "invalid")), 3),
        ("updates_rejected_total", (agent, ("kind", "certificate"), ("reason", "expired")), 1),
        ("access_log_rotations_total", (), 4),
        ("events_sent_total", (), 5),
        ("events_dropped_total", (("reason", "forbidden"),), 6),
        ("resident_memory_bytes", (("process", "envoy"),), 5),
        ("cpu_seconds_total", (("process", "envoy"),), 1.5),
    ):
        assert found[name, labels] == value, name


def test_a_name_with_quotes_stays_one_label() -> None:
    name = 'a"b\\c\nd'
    state = State(
        started=1,
        serving=Configuration(file="f"),
        configuration=Outcome(successful_at=1),
        certificates={name: Outcome(successful_at=1)},
    )
    assert samples(state)["certificate_last_reload_successful", (("certificate", name),)] == 1


@pytest.mark.parametrize(
    ("now", "found"), [(1000, Stage.FINE), (1899, Stage.FINE), (1900, Stage.LATE), (2000, Stage.OVER)]
)
def test_the_end_of_a_certificate_is_said_in_the_last_tenth_of_its_life(now: float, found: Stage) -> None:
    assert stage(LEAF, Instant(float(now))) is found
