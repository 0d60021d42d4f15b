"""When listeners close, and when the end is there."""

from __future__ import annotations

import pytest

from pillion.proxy.application.draining import LINGER, NOTICE, InFlight, Step, in_flight, next_step

FIRST = InFlight(requests=0, connections=0, accepted=7)
IDLE = FIRST
PASSED_BY = InFlight(requests=0, connections=0, accepted=8)
KEPT = InFlight(requests=0, connections=3, accepted=7)
BUSY = InFlight(requests=1, connections=1, accepted=7)


@pytest.mark.parametrize(
    ("seen", "elapsed", "closed_at", "step"),
    [
        (IDLE, 0, None, Step.CLOSE_LISTENERS),
        (IDLE, 0, 0, Step.END),
        (PASSED_BY, NOTICE - 0.1, None, Step.WAIT),
        (PASSED_BY, NOTICE, None, Step.CLOSE_LISTENERS),
        (PASSED_BY, NOTICE, NOTICE, Step.END),
        (KEPT, 0, None, Step.WAIT),
        (KEPT, NOTICE, None, Step.CLOSE_LISTENERS),
        (KEPT, NOTICE + LINGER - 0.1, NOTICE, Step.WAIT),
        (KEPT, NOTICE + LINGER, NOTICE, Step.END),
        (BUSY, NOTICE - 0.1, None, Step.WAIT),
        (BUSY, NOTICE, None, Step.CLOSE_LISTENERS),
        (BUSY, NOTICE + LINGER, NOTICE, Step.WAIT),
        (BUSY, 24.9, NOTICE, Step.WAIT),
        (BUSY, 25, NOTICE, Step.END),
        (BUSY, 25, None, Step.END),
    ],
)
def test_clients_are_told_then_requests_end_then_all_does(
    seen: InFlight, elapsed: float, closed_at: float | None, step: Step
) -> None:
    assert next_step(seen, first=FIRST, elapsed=elapsed, budget=25, closed_at=closed_at) is step


def test_a_short_budget_leaves_half_of_it_for_requests() -> None:
    assert next_step(KEPT, first=FIRST, elapsed=0.4, budget=1, closed_at=None) is Step.WAIT
    assert next_step(KEPT, first=FIRST, elapsed=0.5, budget=1, closed_at=None) is Step.CLOSE_LISTENERS


def test_our_own_question_is_not_in_flight() -> None:
    stats: dict[str, int | str] = {
        "http.admin.downstream_rq_active": 1,
        "http.admin.downstream_cx_active": 1,
        "http.admin.downstream_cx_total": 20,
        "http.inbound-agent.downstream_rq_active": 2,
        "http.inbound-agent.downstream_cx_active": 5,
        "http.inbound-agent.downstream_cx_total": 9,
        "http.outbound-other.downstream_cx_active": 1,
    }
    assert in_flight(stats) == InFlight(requests=2, connections=6, accepted=9)
