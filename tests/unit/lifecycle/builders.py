"""Plans for the tests of the lifecycle: one base pod, small changes."""

from __future__ import annotations

from pillion.plan.podplan import (
    ContainerPlan,
    ExecHandler,
    PodPlan,
    ProbePlan,
    RestartPolicy,
    Role,
)

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
