"""When listeners close, and when the end is there."""

from __future__ import annotations

import pytest

from pillion.proxy.application.draining import NOTICE, InFlight, Step, in_flight, next_step

IDLE = InFlight(requests=0, connections=0)
KEPT = InFlight(requests=0, connections=3)
BUSY = InFlight(requests=1, connections=1)


@pytest.mark.parametrize(
    ("seen", "elapsed", "are_listeners_open", "step"),
    [
        (IDLE, 0, True, Step.CLOSE_LISTENERS),
        (IDLE, 0, False, Step.END),
        (KEPT, 0, True, Step.WAIT),
        (KEPT, NOTICE, True, Step.CLOSE_LISTENERS),
        (KEPT, NOTICE, False, Step.END),
        (BUSY, NOTICE - 0.1, True, Step.WAIT),
        (BUSY, NOTICE, True, Step.CLOSE_LISTENERS),
        (BUSY, NOTICE, False, Step.WAIT),
        (BUSY, 24.9, False, Step.WAIT),
        (BUSY, 25, False, Step.END),
        (BUSY, 25, True, Step.END),
    ],
)
def test_clients_are_told_then_requests_end_then_all_does(
    seen: InFlight, elapsed: float, are_listeners_open: bool, step: Step
) -> None:
    assert next_step(seen, elapsed=elapsed, budget=25, are_listeners_open=are_listeners_open) is step


def test_a_short_budget_leaves_half_of_it_for_requests() -> None:
    assert next_step(KEPT, elapsed=0.4, budget=1, are_listeners_open=True) is Step.WAIT
    assert next_step(KEPT, elapsed=0.5, budget=1, are_listeners_open=True) is Step.CLOSE_LISTENERS


def test_our_own_question_is_not_in_flight() -> None:
    stats: dict[str, int | str] = {
        "http.admin.downstream_rq_active": 1,
        "http.admin.downstream_cx_active": 1,
        "http.inbound-agent.downstream_rq_active": 2,
        "http.inbound-agent.downstream_cx_active": 5,
        "http.outbound-other.downstream_cx_active": 1,
    }
    assert in_flight(stats) == InFlight(requests=2, connections=6)
