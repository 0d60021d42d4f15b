"""test/e2e_node/container_lifecycle_test.go (Kubernetes 1.36), as far as it concerns pure rules.

Each claim stands at the line of its `It`. The suite's containers sleep, exit with a code and obey or ignore SIGTERM; so
do these, in simulated time. Tests that restart a kubelet or reboot a node are left out.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.conformance.results import Claim, Group, Results
from tests.unit.lifecycle.builders import (
    ALWAYS,
    HOOK,
    NEVER,
    ON_FAILURE,
    answers,
    delete,
    init,
    main,
    pod,
    probe,
    sidecar,
)

from pillion.lifecycle import ProbeOutcome
from pillion.lifecycle.record import replaced
from pillion.plan.podplan import ContainerPlan, PodPlan, RestartPolicy
from pillion.testing.simulation import ProbeScript, Script, Simulation

FAIL, OK = ProbeOutcome.FAILURE, ProbeOutcome.SUCCESS
BAD_IMAGE = Script(start_error=("ErrImagePull", "no such host"))
POLICIES = (ALWAYS, ON_FAILURE, NEVER)
QUICK = probe(period=1, failure_threshold=1)


def sleeps(seconds: float, code: int = 0, **rest: object) -> Script:
    return Script(run_for=seconds, exit_code=code, **rest)  # type: ignore[arg-type]


def obeys(seconds: float, code: int = 0, **rest: object) -> Script:
    """Runs until it is told to stop, then takes its time."""
    return Script(term_after=seconds, term_code=code, **rest)  # type: ignore[arg-type]


def update(plan: PodPlan, name: str) -> Callable[[Simulation], None]:
    """A PUT of a new image for one container."""

    def renewed(containers: tuple[ContainerPlan, ...]) -> tuple[ContainerPlan, ...]:
        new = {"image": "new", "hash": f"{name}@new", "backoff_key": f"{name}@new"}
        return tuple(replaced(c, **new) if c.name == name else c for c in containers)

    changed = replaced(plan, inits=renewed(plan.inits), mains=renewed(plan.mains))
    return lambda sim: sim.change(changed)


def by_policy(lines: tuple[int, ...]) -> list[tuple[int, RestartPolicy]]:
    return list(zip(lines, POLICIES, strict=False))


def before(prober: float) -> ProbeScript:
    """Fails until this moment of the world, then succeeds."""
    return lambda _kind, _age, now: (FAIL if now < prober else OK, 0.0)


def after(moment: float) -> ProbeScript:
    return answers(liveness=lambda age: age < moment, startup=lambda age: age < moment)


def regular_only() -> list[Group]:
    groups = []
    for line, policy in by_policy((169, 173, 179)):
        plan = pod(main(), policy=policy)
        groups.append(
            Group(
                "the regular container has its image updated",
                plan,
                {},
                {
                    line: lambda r: (
                        r.has_restarted("main") and r.phase == "Running" and r.restarts("main") == 1
                    )
                },
                acts=((5, update(plan, "main")),),
                until=60,
            )
        )
    for line, policy in by_policy((297, 302, 307)):
        plan = pod(init(), main(), policy=policy)
        groups.append(
            Group(
                "the regular container has its image updated during initialization",
                plan,
                {},
                {
                    line: lambda r: (
                        not r.starts("main") and not r.has_restarted("init") and r.phase == "Pending"
                    )
                },
                acts=((5, update(plan, "main")),),
                until=60,
            )
        )
    for lines, settings in (((382, 388), {"startup": QUICK}), ((465, 471), {"liveness": QUICK})):
        for line, policy in by_policy(lines):
            plan = pod(main(pre_stop=HOOK, **settings), policy=policy)
            groups.append(
                Group(
                    "the regular container has its image updated after a failed probe",
                    plan,
                    {"main": Script(hooks={"preStop": (5, None)})},
                    {line: lambda r: r.has_restarted("main") and r.sim.newest("main").image == "new"},
                    probes={"main": before(3)},
                    acts=((2, update(plan, "main")),),
                    until=60,
                )
            )
    for line, policy in by_policy((557, 563, 569)):
        plan = pod(main(), policy=policy)
        groups.append(
            Group(
                "the regular container has its image updated during termination",
                plan,
                {"main": obeys(10)},
                {line: lambda r: not r.has_restarted("main") and r.sim.newest("main").image == "i"},
                acts=((5, delete()), (8, update(plan, "main"))),
            )
        )
    return groups


def plain_inits() -> list[Group]:
    gives_up = pod(main(liveness=QUICK, readiness=probe(period=1), pre_stop=HOOK), policy=NEVER)
    return [
        Group(
            "a pod initializes successfully",
            pod(init("i1"), init("i2"), init("i3"), main("r"), policy=NEVER),
            {"i1": sleeps(1), "i2": sleeps(1), "i3": sleeps(1), "r": sleeps(1)},
            {
                579: lambda r: (
                    r.exits_before("i1", "i2")
                    and r.exits_before("i2", "i3")
                    and r.exits_before("i3", "r")
                    and r.phase == "Succeeded"
                )
            },
        ),
        Group(
            "an init container fails",
            pod(init("i1"), init("i2"), init("i3"), main("r"), policy=NEVER),
            {"i1": sleeps(1, 1)},
            {689: lambda r: not any(map(r.starts, ("i2", "i3", "r"))) and r.phase == "Failed"},
        ),
        Group(
            "the regular container has a PostStart hook",
            pod(init("i1"), main("r", post_start=HOOK), policy=NEVER),
            {"i1": sleeps(1), "r": sleeps(5, hooks={"postStart": (1, None)})},
            {746: lambda r: r.at("exit i1 0") <= r.at("postStart r") and r.phase == "Succeeded"},
        ),
        Group(
            "a failed regular container",
            pod(main("r")),
            {"r": [sleeps(1, 1), obeys(0)]},
            {818: lambda r: r.has_restarted("r") and r.restarts("r") == 1},
        ),
        Group(
            "several containers and a PostStart hook",
            pod(main("r1", post_start=HOOK), main("r2")),
            {"r1": sleeps(30, hooks={"postStart": (5, None)})},
            {863: lambda r: r.at("start r2") == r.at("postStart r1") + 5},
            until=20,
        ),
        Group(
            "an init container with a bad image",
            pod(init("i1"), main("r"), policy=NEVER),
            {"i1": BAD_IMAGE},
            {
                969: lambda r: r.waits_for("i1", "ImagePullBackOff") and r.restarts("i1") == 0,
                980: lambda r: not r.starts("i1"),
                983: lambda r: not r.starts("r"),
            },
            until=100,
        ),
        Group(
            "a regular container restarts with init containers",
            pod(init("i1"), main("r")),
            {"i1": sleeps(5), "r": sleeps(1, 1)},
            {990: lambda r: r.has_restarted("r") and not r.has_restarted("i1")},
        ),
        Group(
            "a pod that cannot terminate gracefully",
            pod(main("r"), grace_seconds=10),
            {"r": Script(term_after=None)},
            {1100: lambda r: r.at("exit r 137") == 15 and r.phase == "Failed"},
            acts=((5, delete()),),
        ),
        Group(
            "a pod with a preStop hook that takes too long",
            pod(main("r", pre_stop=HOOK), grace_seconds=5),
            {"r": Script(term_after=None, hooks={"preStop": (60, None)})},
            {1121: lambda r: 10 <= r.at("exit r 137") <= 12},
            acts=((5, delete()),),
        ),
        Group(
            "a regular container fails its startup probe",
            pod(main("r", startup=QUICK, pre_stop=HOOK), policy=NEVER),
            {"r": Script(hooks={"preStop": (1, None)})},
            {1155: lambda r: r.at("preStop r") < r.at("exit r 0") and not r.has_restarted("r")},
            probes={"r": answers(startup=FAIL)},
        ),
        Group(
            "a regular container fails its liveness probe",
            pod(main("r", liveness=QUICK, pre_stop=HOOK), policy=NEVER),
            {"r": Script(hooks={"preStop": (1, None)})},
            {1224: lambda r: r.at("preStop r") < r.at("exit r 0") and not r.has_restarted("r")},
            probes={"r": after(5)},
        ),
        Group(
            "a pod that ends because its liveness probe failed",
            gives_up,
            {"main": Script(hooks={"preStop": (10, None)})},
            {
                1330: lambda r: (
                    max(r.sim.times("readiness probe main")) > r.at("preStop main") + 8
                    and max(r.sim.times("liveness probe main")) == r.at("preStop main")
                )
            },
            probes={"main": after(3)},
        ),
        Group(
            "the same beside a sidecar whose liveness probe fails too",
            pod(
                sidecar("a", liveness=QUICK),
                main(liveness=QUICK, pre_stop=HOOK),
                policy=NEVER,
                grace_seconds=30,
            ),
            {"main": Script(hooks={"preStop": (10, None)}), "a": obeys(0)},
            {
                1380: lambda r: (
                    not r.has_restarted("a")
                    and len(r.sim.times("liveness probe a")) == len(r.sim.times("liveness probe main"))
                )
            },
            probes={"main": after(3), "a": after(3)},
        ),
    ]


def updated_inits() -> list[Group]:
    plan = pod(init("i1"), main("r"))
    return [
        Group(
            "an init container is updated after it finished",
            plan,
            {"i1": sleeps(1)},
            {1488: lambda r: not r.has_restarted("i1") and not r.has_restarted("r")},
            acts=((10, update(plan, "i1")),),
        ),
        Group(
            "an init container is updated while it runs",
            plan,
            {"i1": sleeps(20)},
            {1519: lambda r: not r.has_restarted("i1") and r.starts("r")},
            acts=((10, update(plan, "i1")),),
        ),
        Group(
            "an init container is updated while the pod ends",
            plan,
            {"i1": sleeps(1), "r": obeys(10)},
            {1582: lambda r: not r.has_restarted("i1") and not r.has_restarted("r")},
            acts=((10, delete()), (12, update(plan, "i1"))),
        ),
    ]


def interleaved() -> list[Group]:
    groups = [
        Group(
            "three init containers and two sidecars",
            pod(init("i1"), sidecar("s1"), init("i2"), sidecar("s2"), init("i3"), main("r"), policy=NEVER),
            {"i1": sleeps(5), "i2": sleeps(5), "i3": sleeps(5), "r": sleeps(5)},
            {
                2204: lambda r: r.phase == "Succeeded",
                2220: lambda r: r.exits_before("i1", "s1"),
                2225: lambda r: r.first_starts_before("s1", "i2") and r.run_together("s1", "i2"),
                2229: lambda r: r.exits_before("i2", "s2"),
                2234: lambda r: r.first_starts_before("s2", "i3"),
                2238: lambda r: (
                    r.run_together("s1", "s2") and r.run_together("s1", "i3") and r.run_together("s2", "i3")
                ),
                2244: lambda r: r.exits_before("i3", "r"),
                2249: lambda r: r.run_together("s1", "r") and r.run_together("s2", "r"),
            },
        )
    ]
    groups += [
        Group(
            "an init container after a sidecar is initializing",
            pod(sidecar("s"), init("i"), main("r"), policy=policy),
            {},
            {
                line: lambda r: (
                    r.phase == "Pending" and not r.is_initialized and r.starts("i") and not r.starts("r")
                )
            },
            until=30,
        )
        for line, policy in by_policy((2333, 2394, 2457))
    ]
    return groups


def sidecars(policy: RestartPolicy, lines: dict[str, tuple[int, ...]]) -> list[Group]:
    """The groups that the suite repeats for each policy of the pod."""
    ends = policy is not ALWAYS
    final = "Succeeded" if ends else "Running"
    steady = sleeps(1) if ends else sleeps(10)
    groups = []
    first, second, third, fourth = lines["continuously"]
    plan = pod(sidecar("s"), main("r"), policy=policy)
    groups.append(
        Group(
            "a sidecar runs continuously",
            plan,
            {"r": steady if ends else obeys(0)},
            {
                first: lambda r: r.phase == final,
                second: lambda r: not r.has_restarted("s"),
                third: lambda r: r.exits("r") if ends else r.starts("r"),
            },
        )
    )
    groups.append(
        Group(
            "a sidecar that runs is updated with a new image",
            plan,
            {"r": obeys(0)},
            {fourth: lambda r: r.restarts("s") == 1 and not r.has_restarted("r") and r.phase == "Running"},
            acts=((5, update(plan, "s")),),
            until=60,
        )
    )
    first, second, third = lines["bad image"]
    groups.append(
        Group(
            "a sidecar has a bad image",
            plan,
            {"s": BAD_IMAGE},
            {
                first: lambda r: (
                    r.waits_for("s", "ImagePullBackOff") and r.restarts("s") == 0 and r.phase == "Pending"
                ),
                second: lambda r: not r.starts("s"),
                third: lambda r: not r.starts("r"),
            },
            until=100,
        )
    )
    for key, code in (("exits 0", 0), ("exits 1", 1)):
        first, second, third, fourth = lines[key]
        groups.append(
            Group(
                f"a sidecar {key} continuously",
                pod(sidecar("s"), init("i"), main("r"), policy=policy),
                {"s": sleeps(1, code), "i": sleeps(5), "r": sleeps(60) if ends else obeys(0)},
                {
                    first: lambda r: r.phase == final,
                    second: lambda r: len([t for t in r.sim.times("start s") if t < r.at("start r")]) > 1,
                    third: lambda r: r.starts_before("r", "s"),
                    fourth: lambda r: r.exits("r") if ends else r.starts("r"),
                },
            )
        )
    first, second, third = lines["init before fails"]
    fails = sleeps(1, 1)
    stays = policy is not NEVER
    groups.append(
        Group(
            "an init container before a sidecar fails",
            pod(init("i"), sidecar("s"), main("r"), policy=policy),
            {"i": fails},
            {
                first: lambda r: r.phase == ("Pending" if stays else "Failed"),
                second: lambda r: r.restarts("i") > 0 if stays else r.exits("i"),
                third: lambda r: not r.starts("s"),
            },
        )
    )
    first, second, third = lines["init after fails"]
    groups.append(
        Group(
            "an init container after a sidecar fails",
            pod(sidecar("s"), init("i"), main("r"), policy=policy),
            {"i": fails, "s": sleeps(1, 1)},
            {
                first: lambda r: r.phase == ("Pending" if stays else "Failed"),
                second: lambda r: r.restarts("i") > 0 if stays else r.exits("i"),
                third: lambda r: r.run_together("s", "i"),
            },
        )
    )
    return groups


SIDECARS_BY_POLICY: dict[RestartPolicy, dict[str, tuple[int, ...]]] = {
    NEVER: {
        "continuously": (2576, 2591, 2594, 2598),
        "bad image": (2722, 2734, 2737),
        "exits 0": (2789, 2803, 2806, 2809),
        "exits 1": (2860, 2875, 2878, 2881),
        "init before fails": (2933, 2944, 2947),
        "init after fails": (2999, 3010, 3015),
    },
    ON_FAILURE: {
        "continuously": (3062, 3077, 3080, 3084),
        "bad image": (3210, 3222, 3225),
        "exits 0": (3278, 3293, 3296, 3299),
        "exits 1": (3352, 3367, 3370, 3373),
        "init before fails": (3425, 3445, 3448),
        "init after fails": (3500, 3520, 3524),
    },
    ALWAYS: {
        "continuously": (3571, 3583, 3587, 3591),
        "bad image": (3715, 3727, 3730),
        "exits 0": (3782, 3793, 3796, 3799),
        "exits 1": (3852, 3863, 3866, 3869),
        "init before fails": (3921, 3941, 3944),
        "init after fails": (3996, 4016, 4020),
    },
}


def probed_sidecars() -> list[Group]:
    startup = probe(period=1, failure_threshold=30)
    groups = [
        Group(
            "sidecars with startup probes",
            pod(sidecar("s1", startup=startup), sidecar("s2", startup=startup), main("r"), policy=NEVER),
            {"r": sleeps(1)},
            {
                4027: lambda r: (
                    r.at("start s2") == r.at("start s1") + 10
                    and r.at("start r") == r.at("start s2") + 10
                    and r.phase == "Succeeded"
                )
            },
            probes={n: answers(startup=lambda age: age >= 10) for n in ("s1", "s2")},
        ),
        Group(
            "a sidecar fails its startup probe",
            pod(sidecar("s", startup=QUICK, pre_stop=HOOK), main("r"), policy=NEVER),
            {"s": obeys(1, hooks={"preStop": (2, None)})},
            {4233: lambda r: r.at("preStop s") < r.sim.times("exit s 0")[0] and not r.starts("r")},
            probes={"s": answers(startup=FAIL)},
            until=100,
        ),
        Group(
            "a sidecar fails its liveness probe",
            pod(sidecar("s", liveness=QUICK, startup=QUICK, pre_stop=HOOK), main("r"), policy=NEVER),
            {"s": obeys(1, hooks={"preStop": (2, None)}), "r": sleeps(20)},
            {4321: lambda r: r.at("preStop s") < r.sim.times("exit s 0")[0] and r.starts("r")},
            probes={"s": answers(liveness=FAIL)},
        ),
        Group(
            "a sidecar's startup probe fails first and then succeeds",
            pod(sidecar("s", startup=probe(period=1, failure_threshold=3)), main("r"), policy=NEVER),
            {"r": sleeps(1)},
            {5961: lambda r: r.restarts("s") > 0 and r.starts("r") and r.phase == "Succeeded"},
            probes={"s": before(10)},
        ),
    ]
    for lines, settings in (
        ((4225, 4219, 4215), {"startup": QUICK}),
        ((4529, 4512, 4498), {"liveness": QUICK}),
    ):
        for line, policy in by_policy(lines):
            plan = pod(sidecar("s", pre_stop=HOOK, **settings), main("r"), policy=policy)
            groups.append(
                Group(
                    "a sidecar's image is updated after its probe failed",
                    plan,
                    {"s": Script(hooks={"preStop": (5, None)})},
                    {
                        line: lambda r: (
                            r.has_restarted("s") and r.sim.newest("s").image == "new" and r.starts("r")
                        )
                    },
                    probes={"s": before(3)},
                    acts=((2, update(plan, "s")),),
                    until=60,
                )
            )
    return groups


THREE = ("s1", "s2", "s3")


def terminating() -> list[Group]:
    three = [sidecar(name) for name in THREE]
    hooked = [sidecar(name, pre_stop=HOOK) for name in THREE]
    pair = [sidecar("s1"), sidecar("s2")]

    def in_reverse(r: Results) -> bool:
        return r.ends_before("r", "s3") and r.ends_before("s3", "s2") and r.ends_before("s2", "s1")

    def together(r: Results) -> bool:
        return {r.at(f"exit {name} 137") for name in THREE} == {r.at("exit r 0") + 12}

    groups = [
        Group(
            "the containers exit successfully",
            pod(*three, main("r"), policy=NEVER, grace_seconds=100),
            {name: obeys(1) for name in THREE} | {"r": sleeps(5)},
            {4553: lambda r: in_reverse(r) and r.phase == "Succeeded"},
        ),
        Group(
            "the preStop hooks do not exit",
            pod(*hooked, main("r"), policy=NEVER, grace_seconds=10),
            {name: Script(term_after=None, hooks={"preStop": (999, None)}) for name in THREE}
            | {"r": sleeps(5)},
            {4788: lambda r: together(r) and r.phase == "Succeeded"},
        ),
        Group(
            "several preStop hooks",
            pod(*hooked, main("r"), policy=NEVER, grace_seconds=100),
            {name: obeys(1, hooks={"preStop": (5, None)}) for name in THREE} | {"r": sleeps(5)},
            {4934: lambda r: {r.at(f"preStop {n}") for n in THREE} == {r.at("exit r 0")} and in_reverse(r)},
        ),
        Group(
            "sidecars are terminated during initialization",
            pod(sidecar("s1"), init("i"), main("r"), grace_seconds=30),
            {"i": obeys(1, 143), "s1": obeys(1)},
            {5071: lambda r: r.sim.log[-1] == (11.0, "tear down") and not r.starts("r")},
            acts=((10, delete()),),
        ),
        Group(
            "one sidecar has not started",
            pod(sidecar("s1"), sidecar("s2", startup=probe(failure_threshold=99)), sidecar("s3"), main("r")),
            {"s1": obeys(1), "s2": obeys(1)},
            {5190: lambda r: r.ends_before("s2", "s1") and not r.starts("s3") and r.at("tear down") == 12},
            probes={"s2": answers(startup=FAIL)},
            acts=((10, delete()),),
        ),
        Group(
            "sidecars exit with a non-zero code",
            pod(*pair, main("r"), policy=NEVER),
            {"s1": obeys(0, 1), "s2": obeys(1, 1), "r": sleeps(5)},
            {5293: lambda r: r.phase == "Succeeded" and r.exit_code("s1") == 1},
        ),
        Group(
            "sidecars exit with a non-zero code during their preStop hook",
            pod(sidecar("s1", pre_stop=HOOK), main("r"), policy=NEVER),
            {"s1": sleeps(6, 1, hooks={"preStop": (5, None)}), "r": sleeps(5)},
            {5393: lambda r: r.phase == "Succeeded" and r.exit_code("s1") == 1},
        ),
        Group(
            "the regular container exceeds the grace period",
            pod(sidecar("s1"), main("r"), grace_seconds=5),
            {"r": Script(term_after=None), "s1": obeys(0)},
            {5509: lambda r: r.phase == "Failed" and r.exit_code("r") == 137},
            acts=((5, delete()),),
        ),
        Group(
            "the sidecars exceed the grace period",
            pod(*pair, main("r"), grace_seconds=5),
            {"s1": Script(term_after=None), "s2": Script(term_after=None)},
            {5611: lambda r: r.phase == "Succeeded" and r.exit_code("s1") == r.exit_code("s2") == 137},
            acts=((5, delete()),),
        ),
        Group(
            "the regular container exceeds the grace period in its preStop hook",
            pod(sidecar("s1"), main("r", pre_stop=HOOK), grace_seconds=5),
            {"r": Script(term_after=None, hooks={"preStop": (99, None)})},
            {5721: lambda r: r.phase == "Failed" and r.exit_code("r") == 137},
            acts=((5, delete()),),
        ),
        Group(
            "the sidecars exceed the grace period in their preStop hooks",
            pod(*hooked, main("r"), grace_seconds=5),
            {name: Script(term_after=None, hooks={"preStop": (99, None)}) for name in THREE},
            {5841: lambda r: r.phase == "Succeeded" and r.exit_code("s1") == 137},
            acts=((5, delete()),),
        ),
    ]
    for line, policy in by_policy((4769, 4773, 4779)):
        plan = pod(*three, main("r"), policy=policy, grace_seconds=100)
        groups.append(
            Group(
                "a sidecar's image is updated while the pod ends",
                plan,
                {name: obeys(1) for name in THREE} | {"r": obeys(5)},
                {line: lambda r: in_reverse(r) and not r.has_restarted("s1") and r.phase == "Succeeded"},
                acts=((5, delete()), (8, update(plan, "s1"))),
            )
        )
    return groups


GROUPS: list[Group] = [
    *regular_only(),
    *plain_inits(),
    *updated_inits(),
    *interleaved(),
    *(group for policy, lines in SIDECARS_BY_POLICY.items() for group in sidecars(policy, lines)),
    *probed_sidecars(),
    *terminating(),
]
CLAIMS: list[tuple[Group, int, Claim]] = [
    (g, line, claim) for g in GROUPS for line, claim in g.claims.items()
]


@pytest.mark.parametrize(
    ("group", "line", "claim"), CLAIMS, ids=[f"L{line} {g.title}" for g, line, _ in CLAIMS]
)
def test_container_lifecycle(group: Group, line: int, claim: Claim) -> None:
    results = group.run()
    assert claim(results), "\n".join(f"{at:g} {text}" for at, text in results.sim.log if "probe" not in text)


def test_every_line_is_claimed_once() -> None:
    lines = [line for _, line, _ in CLAIMS]
    assert len(lines) == len(set(lines))
