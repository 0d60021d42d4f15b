"""Hypothesis strategies: pods, worlds for them to live in, and what befalls them there.

    @given(lives())
    def test_...(life: Life) -> None:
        sim = life.live()

Times are small and exit codes few, so that a short run meets backoff, hooks, kills and deletions in each other's way.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from hypothesis import strategies as st

from pillion.lifecycle import ProbeKind, ProbeOutcome, RuntimeState
from pillion.plan.podplan import (
    ContainerPlan,
    ExecHandler,
    PodPlan,
    ProbePlan,
    RestartPolicy,
    RestartRule,
    Role,
)
from pillion.testing.simulation import ProbeScript, Script, Simulation

HOOK = ExecHandler(("hook",))
ENDS = 400.0
"""Seconds a life lasts at most."""


class What(StrEnum):
    DELETE = "delete"
    CRASH = "crash"
    EVICT = "evict"
    LOSE_SANDBOX = "lose sandbox"
    LOSE_INSTANCES = "lose instances"


CALM = frozenset({What.DELETE, What.CRASH, What.EVICT})
"""What befalls a pod without taking anything away from the runtime."""


@dataclass(frozen=True)
class Mishap:
    """Something done to the world. `value`: the grace period of a deletion, the exit code of a crash."""

    at: float
    what: What
    name: str = ""
    value: int = 0


@dataclass(frozen=True)
class Life:
    """A pod, what its containers do, and what befalls them."""

    plan: PodPlan
    scripts: dict[str, list[Script]]
    answers: dict[str, tuple[ProbeOutcome, ...]]
    """By `container/kind`: what its probe answers, each for two seconds of the container's age, the last for ever."""
    mishaps: tuple[Mishap, ...] = field(default=())

    def live(self, until: float = ENDS) -> Simulation:
        probes = {c.name: self._prober(c.name) for c in self.plan.inits + self.plan.mains}
        sim = Simulation(self.plan, dict(self.scripts), probes)
        for mishap in sorted(self.mishaps, key=lambda m: m.at):
            sim.run(until=mishap.at)
            _befall(sim, mishap)
        sim.run(until=until)
        return sim

    def _prober(self, name: str) -> ProbeScript:
        def script(kind: ProbeKind, age: float, _now: float) -> tuple[ProbeOutcome, float]:
            told = self.answers.get(f"{name}/{kind.value}", (ProbeOutcome.SUCCESS,))
            return told[min(int(age / 2), len(told) - 1)], 0.0

        return script


def _befall(sim: Simulation, mishap: Mishap) -> None:
    match mishap.what:
        case What.DELETE:
            if sim.deletion is None or mishap.value < sim.deletion.grace_seconds:
                sim.delete(mishap.value)
        case What.CRASH:
            newest = next((c for c in sim.containers if c.name == mishap.name), None)
            if newest is not None and newest.state is RuntimeState.RUNNING:
                sim.crash(mishap.name, mishap.value)
        case What.EVICT:
            sim.evict("evicted")
        case What.LOSE_SANDBOX:
            sim.lose_sandbox()
        case What.LOSE_INSTANCES:
            sim.lose_instances(mishap.name)


def _probe(**settings: int) -> ProbePlan:
    return ProbePlan(handler=HOOK, **settings)


STARTUP = (None, None, _probe(period=1, failure_threshold=2), _probe(period=2, failure_threshold=5))
LIVENESS = (None, None, _probe(period=1, failure_threshold=1), _probe(period=5, grace_seconds=4))
READINESS = (None, None, _probe(period=1, failure_threshold=1), _probe(initial_delay=3, success_threshold=2))
"""A few probes that differ where it matters: one draw each."""
RULES = tuple(
    (RestartRule(action=action, operator=operator, values=values),)
    for action in ("Restart", "RestartAllContainers")
    for operator, values in (("In", (42,)), ("NotIn", (0, 42)))
)
HOOKS = ((None, None), (None, None), (HOOK, None), (None, HOOK), (HOOK, HOOK))


@st.composite
def containers(draw: st.DrawFn, name: str, role: Role, *, with_rules: bool = False) -> ContainerPlan:
    settings: dict[str, object] = {}
    if role is Role.SIDECAR:
        settings["restart_policy"] = RestartPolicy.ALWAYS
    else:
        settings["restart_policy"] = draw(st.sampled_from([None, None, None, *_policies(role)]))
    if with_rules and settings["restart_policy"] is not None and role is not Role.SIDECAR:
        settings["restart_rules"] = draw(st.sampled_from(((), *RULES)))
    if role in (Role.SIDECAR, Role.MAIN):
        settings["startup"] = draw(st.sampled_from(STARTUP))
        settings["liveness"] = draw(st.sampled_from(LIVENESS))
        settings["readiness"] = draw(st.sampled_from(READINESS))
        settings["post_start"], settings["pre_stop"] = draw(st.sampled_from(HOOKS))
    return ContainerPlan(name=name, role=role, image="i", hash=name, backoff_key=name, **settings)  # type: ignore[arg-type]


def _policies(role: Role) -> tuple[RestartPolicy, ...]:
    """`Always` would make an init container a sidecar."""
    return tuple(p for p in RestartPolicy if role is Role.MAIN or p is not RestartPolicy.ALWAYS)


@st.composite
def pods(draw: st.DrawFn, *, with_rules: bool = True) -> PodPlan:
    roles = draw(st.lists(st.sampled_from([Role.INIT, Role.SIDECAR]), max_size=3))
    inits = [draw(containers(f"i{n}", role, with_rules=with_rules)) for n, role in enumerate(roles)]
    count = draw(st.integers(1, 2))
    mains = [draw(containers(f"m{n}", Role.MAIN, with_rules=with_rules)) for n in range(count)]
    return PodPlan(
        uid="u",
        namespace="ns",
        name="p",
        inits=tuple(inits),
        mains=tuple(mains),
        restart_policy=draw(st.sampled_from(RestartPolicy)),
        grace_seconds=draw(st.sampled_from([0, 1, 5, 30])),
        active_deadline=draw(st.sampled_from([None, None, None, 1, 40])),
    )


QUICK_HOOKS: dict[str, tuple[float, str | None]] = {"preStop": (1.5, None), "postStart": (3.0, None)}
SLOW_HOOKS: dict[str, tuple[float, str | None]] = {"preStop": (60.0, None), "postStart": (0.0, None)}
FAILING_HOOKS: dict[str, tuple[float, str | None]] = {
    "preStop": (0.0, "exit 1"),
    "postStart": (0.0, "exit 1"),
}
DOINGS = (
    Script(),
    Script(hooks=QUICK_HOOKS, start_takes=1.0),
    Script(hooks=SLOW_HOOKS, term_after=1.5, term_code=143),
    Script(hooks=FAILING_HOOKS, term_after=None),
    Script(run_for=0.5),
    Script(run_for=0.5, exit_code=1),
    Script(run_for=4.0, hooks=QUICK_HOOKS),
    Script(run_for=4.0, exit_code=42, hooks=SLOW_HOOKS),
    Script(run_for=25.0, exit_code=1, term_after=None, hooks=QUICK_HOOKS),
    Script(run_for=25.0, term_after=1.5),
    Script(start_error=("ErrImagePull", "no")),
    Script(start_error=("CreateContainerConfigError", "no")),
)
INIT_DOINGS = (
    Script(run_for=1.0),
    Script(run_for=2.5, start_takes=1.0),
    Script(run_for=1.0, exit_code=1),
    Script(run_for=7.0, exit_code=42, term_after=None),
    Script(run_for=7.0, term_after=1.5, term_code=143),
    Script(start_error=("ErrImagePull", "no")),
)
"""What an instance does; init containers end."""


def scripts(role: Role) -> st.SearchStrategy[list[Script]]:
    return st.lists(st.sampled_from(INIT_DOINGS if role is Role.INIT else DOINGS), min_size=1, max_size=3)


MOMENTS = (0.0, 0.5, 3.0, 7.0, 12.0, 30.0, 61.0)
ANSWERS = tuple(
    itertools.chain.from_iterable(itertools.product(ProbeOutcome, repeat=length) for length in (1, 2))
)


def _mishaps(plan: PodPlan, befalls: frozenset[What]) -> list[Mishap]:
    """Everything that could befall this pod."""
    possible = []
    for at, what in itertools.product(MOMENTS, sorted(befalls)):
        match what:
            case What.DELETE:
                possible += [Mishap(at, what, value=grace) for grace in (0, 1, 5, 30)]
            case What.CRASH:
                possible += [Mishap(at, what, c.name, code) for c in plan.containers for code in (0, 1, 42)]
            case What.LOSE_INSTANCES:
                possible += [Mishap(at, what, c.name) for c in plan.containers]
            case What.EVICT | What.LOSE_SANDBOX:
                possible.append(Mishap(at, what))
    return possible


@st.composite
def lives(
    draw: st.DrawFn,
    *,
    befalls: frozenset[What] = frozenset(What),
    with_rules: bool = True,
    keep: Callable[[PodPlan], bool] = lambda _plan: True,
) -> Life:
    plan = draw(pods(with_rules=with_rules).filter(keep))
    asked = [
        f"{c.name}/{kind.value}"
        for c in plan.inits + plan.mains
        for kind, probe in (
            (ProbeKind.STARTUP, c.startup),
            (ProbeKind.LIVENESS, c.liveness),
            (ProbeKind.READINESS, c.readiness),
        )
        if probe is not None
    ]
    return Life(
        plan=plan,
        scripts={c.name: draw(scripts(c.role)) for c in plan.containers},
        answers={key: draw(st.sampled_from(ANSWERS)) for key in asked},
        mishaps=tuple(
            draw(st.lists(st.sampled_from(_mishaps(plan, befalls)), max_size=4)) if befalls else ()
        ),
    )
