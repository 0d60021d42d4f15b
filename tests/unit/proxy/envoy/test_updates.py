"""What Envoy says of the files it was given."""

from __future__ import annotations

import pytest

from pillion.proxy.envoy.updates import Stats, Verdict, Wanted, judge

WANTED = Wanted(versions={"listener_manager.lds": "2", "rds.agent": "2"}, listeners=1)
BEFORE: Stats = {"listener_manager.lds.update_rejected": 1}
TAKEN: Stats = {
    **BEFORE,
    "listener_manager.lds.version_text": "2",
    "http.agent.rds.agent.version_text": "2",
    "listener_manager.total_listeners_active": 1,
    "listener_manager.total_listeners_warming": 0,
    "listener_manager.workers_started": 1,
    "cluster_manager.warming_clusters": 0,
}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict(is_taken=True)),
        ({"listener_manager.lds.version_text": "1"}, Verdict(waits_for=("listener_manager.lds",))),
        ({"http.agent.rds.agent.version_text": ""}, Verdict(waits_for=("rds.agent",))),
        ({"http.agent.rds.my.agent.version_text": "1"}, Verdict(is_taken=True)),
        (
            {"listener_manager.lds.update_rejected": 2},
            Verdict(refused=("listener_manager.lds.update_rejected",)),
        ),
        ({"sds.agent.update_failure": 1}, Verdict(refused=("sds.agent.update_failure",))),
        (
            {"listener_manager.listener_create_failure": 1},
            Verdict(refused=("listener_manager.listener_create_failure",)),
        ),
        ({"cluster_manager.warming_clusters": 2}, Verdict(waits_for=("2 clusters that warm up",))),
        (
            {"listener_manager.total_listeners_warming": 1, "listener_manager.total_listeners_active": 0},
            Verdict(waits_for=("1 listeners that warm up", "1 active listeners")),
        ),
        ({"listener_manager.workers_started": 0}, Verdict(waits_for=("its workers",))),
    ],
)
def test_an_update_is_taken_when_each_subscription_serves_its_version(
    change: dict[str, int | str], verdict: Verdict
) -> None:
    assert judge(WANTED, BEFORE, {**TAKEN, **change}) == verdict


def test_what_nobody_refers_to_is_not_waited_for() -> None:
    wanted = Wanted(versions={**WANTED.versions, "sds.unused": "1"}, listeners=1)
    assert judge(wanted, BEFORE, TAKEN).is_taken
