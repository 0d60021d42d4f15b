"""Plans for the tests of the lifecycle: one base pod, small changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pillion.lifecycle import ProbeKind, ProbeOutcome
from pillion.plan.podplan import (
    ContainerPlan,
    ExecHandler,
    PodPlan,
    ProbePlan,
    RestartPolicy,
    Role,
)
from pillion.testing.simulation import ProbeScript, Script, Simulation

NEVER, ON_FAILURE, ALWAYS = RestartPolicy.NEVER, RestartPolicy.ON_FAILURE, RestartPolicy.ALWAYS
HOOK = ExecHandler(("hook",))


def container(name: str, role: Role, **changes: object) -> ContainerPlan:
    values: dict[str, object] = {"image": "i", "hash": f"{name}@i", "backoff_key": f"{name}@i"} | changes
    if role is Role.SIDECAR:
        values.setdefault("restart_policy", ALWAYS)
    return ContainerPlan(name=name, role=role, **values)  # type: ignore[arg-type]


def init(name: str = "init", **changes: object) -> ContainerPlan:
    return container(name, Role.INIT, **changes)


def sidecar(name: str = "sidecar", **changes: object) -> ContainerPlan:
    return container(name, Role.SIDECAR, **changes)


def main(name: str = "main", **changes: object) -> ContainerPlan:
    return container(name, Role.MAIN, **changes)


def pod(*containers: ContainerPlan, policy: RestartPolicy = ALWAYS, **changes: object) -> PodPlan:
    mains = tuple(c for c in containers if c.role is Role.MAIN) or (main(),)
    return PodPlan(
        uid="u1",
        namespace="ns",
        name="p",
        inits=tuple(c for c in containers if c.role in (Role.INIT, Role.SIDECAR)),
        mains=mains,
        ephemerals=tuple(c for c in containers if c.role is Role.EPHEMERAL),
        restart_policy=policy,
        **changes,  # type: ignore[arg-type]
    )


def probe(**changes: object) -> ProbePlan:
    return ProbePlan(handler=ExecHandler(("probe",)), **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Row:
    """One rule: a pod, what its containers do, and everything that happens, line by line as `SECONDS what`."""

    rule: str
    plan: PodPlan
    scripts: dict[str, Script | Sequence[Script]]
    told: str
    probes: dict[str, ProbeScript] = field(default_factory=dict)
    acts: tuple[tuple[float, Callable[[Simulation], None]], ...] = ()
    """What is done to the world, and when."""
    until: float = 100.0
    phase: str | None = None
    """At the end."""


def lived(row: Row) -> Simulation:
    sim = Simulation(row.plan, row.scripts, row.probes)
    for at, act in row.acts:
        sim.run(until=at)
        act(sim)
    sim.run(until=row.until)
    return sim


def expected(row: Row) -> list[str]:
    return [" ".join(line.split()) for line in row.told.strip().splitlines()]


def told(sim: Simulation) -> list[str]:
    """What happened to containers; the pod's own steps and probes have tests of their own."""
    return [
        f"{at:g} {text}"
        for at, text in sim.log
        if text not in ("mount", "sandbox 0", "stop sandbox", "tear down") and " probe " not in text
    ]


def rule_of(row: Row) -> str:
    return row.rule


def delete(grace: int | None = None) -> Callable[[Simulation], None]:
    return lambda sim: sim.delete(grace)


def crash(name: str, code: int = 1) -> Callable[[Simulation], None]:
    return lambda sim: sim.crash(name, code)


def answers(**by_kind: ProbeOutcome | Callable[[float], bool]) -> ProbeScript:
    """A prober that takes no time: by kind, an outcome, or whether it succeeds at this age of the container."""

    def script(kind: ProbeKind, age: float, _now: float) -> tuple[ProbeOutcome, float]:
        answer = by_kind.get(kind.value, ProbeOutcome.SUCCESS)
        if isinstance(answer, ProbeOutcome):
            return answer, 0.0
        return (ProbeOutcome.SUCCESS if answer(age) else ProbeOutcome.FAILURE), 0.0

    return script
