# ruff: noqa: T201
"""How many decisions a second: two sidecars and a main, each with three probes, in their steady state.

    python bench/decide.py

Prints the best of several rounds of CPU time, which other work on the machine disturbs least, and that of a whole
pod's life in simulated time.
"""

from __future__ import annotations

import time

from pillion.lifecycle import decide
from pillion.plan.podplan import ContainerPlan, ExecHandler, PodPlan, ProbePlan, RestartPolicy, Role
from pillion.testing.simulation import Simulation
from pillion.units import Instant

CALLS = 20_000
ROUNDS = 5


def container(name: str, role: Role) -> ContainerPlan:
    handler = ExecHandler(("probe",))
    return ContainerPlan(
        name=name,
        role=role,
        image="i",
        hash=name,
        restart_policy=RestartPolicy.ALWAYS if role is Role.SIDECAR else None,
        startup=ProbePlan(handler=handler, period=1),
        liveness=ProbePlan(handler=handler),
        readiness=ProbePlan(handler=handler),
    )


def typical_pod() -> PodPlan:
    return PodPlan(
        uid="u",
        namespace="ns",
        name="p",
        inits=(container("proxy", Role.SIDECAR), container("collector", Role.SIDECAR)),
        mains=(container("agent", Role.MAIN),),
    )


def main() -> None:
    plan = typical_pod()
    sim = Simulation(plan)
    sim.run(until=35)
    seen, record, now = sim.seen(), sim.record, Instant(sim.now)
    spent = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(CALLS):
            decide(plan, record, seen, now)
        spent.append((time.process_time() - begun) / CALLS)
    print(f"decide, nothing to do: {1 / min(spent):,.0f} calls/s ({min(spent) * 1e6:.0f} µs)")

    begun = time.process_time()
    sim = Simulation(plan)
    sim.run(until=3600)
    sim.delete()
    sim.run(until=4000)
    took = time.process_time() - begun
    print(
        f"an hour of its life:   {len(sim.decisions):,} decisions in {took:.2f} s ({len(sim.decisions) / took:,.0f}/s)"
    )


if __name__ == "__main__":
    main()
