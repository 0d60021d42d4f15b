"""A pod that is over shows no container that could still start (status_manager.go: TerminatePod)."""

from __future__ import annotations

import pytest

from pillion.lifecycle import ContainerView, Running, Terminated, Waiting
from pillion.lifecycle.record import ContainerState
from pillion.plan.podplan import ContainerPlan, PodPlan, Role
from pillion.status.settling import settle
from pillion.units import Instant

WAITING = Waiting(reason="PodInitializing")
DONE = Terminated(exit_code=0, reason="Completed")
FAILED = Terminated(exit_code=1, reason="Error")
RUNNING = Running(started_at=Instant(0))


def settled(inits: list[tuple[Role, ContainerState]], main: ContainerState) -> list[str]:
    """The states by name, mains last, as `waiting`, `lost`, or `exit CODE`."""
    plans = [ContainerPlan(name=f"i{n}", role=role, image="i", hash="h") for n, (role, _) in enumerate(inits)]
    main_plan = ContainerPlan(name="m", role=Role.MAIN, image="i", hash="h")
    plan = PodPlan(uid="u", namespace="n", name="p", inits=tuple(plans), mains=(main_plan,))
    states = [*(state for _, state in inits), main]
    views = {
        c.name: ContainerView(plan=c, state=state, started=isinstance(state, Running))
        for c, state in zip([*plans, main_plan], states, strict=True)
    }
    told = []
    for view in settle(plan, views).values():
        match view.state:
            case Terminated(reason="ContainerStatusUnknown"):
                told.append("lost")
            case Terminated(exit_code=code):
                told.append(f"exit {code}")
            case _:
                told.append("waiting")
    return told


@pytest.mark.parametrize(
    ("inits", "main", "expected"),
    [
        ([], Waiting(reason="ContainerCreating"), ["lost"]),
        ([], DONE, ["exit 0"]),
        ([(Role.INIT, FAILED)], WAITING, ["exit 1", "waiting"]),
        ([(Role.INIT, DONE)], WAITING, ["exit 0", "lost"]),
        ([(Role.INIT, WAITING)], WAITING, ["lost", "waiting"]),
        (
            [(Role.INIT, DONE), (Role.INIT, FAILED), (Role.INIT, WAITING)],
            WAITING,
            ["exit 0", "exit 1", "waiting", "waiting"],
        ),
        ([(Role.SIDECAR, WAITING), (Role.INIT, FAILED)], WAITING, ["lost", "exit 1", "waiting"]),
        ([(Role.SIDECAR, DONE)], WAITING, ["exit 0", "waiting"]),
        ([(Role.SIDECAR, RUNNING)], WAITING, ["lost", "lost"]),
    ],
)
def test_containers_of_a_pod_that_is_over(
    inits: list[tuple[Role, ContainerState]], main: ContainerState, expected: list[str]
) -> None:
    assert settled(inits, main) == expected
