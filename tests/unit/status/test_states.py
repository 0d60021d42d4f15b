"""Container statuses (kubelet_pods.go: convertToAPIContainerStatuses)."""

from __future__ import annotations

import pytest
from tests.unit.lifecycle.builders import HOOK, NEVER, ON_FAILURE, container, init, main, pod, sidecar
from tests.unit.status.builders import container_status, shown, status_of

from pillion.lifecycle import Running, Terminated, Waiting
from pillion.lifecycle.record import replaced
from pillion.lifecycle.states import ContainerView, view_all
from pillion.lifecycle.turn import Turn
from pillion.objects.models import core_v1
from pillion.plan.containerspec import Identity
from pillion.plan.podplan import RestartRule, Role
from pillion.testing.simulation import Script, Simulation
from pillion.units import Instant

ALL = RestartRule(action="RestartAllContainers", operator="In", values=(42,))


def view(sim: Simulation, name: str) -> ContainerView:
    return view_all(Turn(sim.plan, sim.record, sim.seen(), Instant(sim.now)))[name]


def state(sim: Simulation, name: str) -> str:
    return text(view(sim, name).state)


def text(value: object) -> str:
    match value:
        case Waiting(reason=reason):
            return f"Waiting {reason}"
        case Terminated(exit_code=code, reason=reason):
            return f"Terminated {code} {reason}"
        case Running(started_at=at):
            return f"Running since {at:g}"
    return "none"


def test_before_any_instance_a_container_waits_for_creation_or_for_the_init_containers() -> None:
    sim = Simulation(pod(main()), volume_failures=1)
    sim.run(until=0.1)
    assert state(sim, "main") == "Waiting ContainerCreating"
    sim = Simulation(pod(init(), main()), volume_failures=1)
    sim.run(until=0.1)
    assert (state(sim, "init"), state(sim, "main")) == ("Waiting PodInitializing",) * 2


def test_a_container_whose_post_start_hook_runs_still_shows_as_waiting() -> None:
    sim = Simulation(pod(main(post_start=HOOK)), {"main": Script(hooks={"postStart": (5, None)})})
    sim.run(until=3)
    assert state(sim, "main") == "Waiting ContainerCreating"
    sim.run(until=6)
    assert state(sim, "main") == "Running since 0"


def test_between_the_exit_and_the_first_refused_start_the_state_is_terminated() -> None:
    """A restart that nothing refuses is never seen as waiting."""
    sim = Simulation(pod(main(), policy=NEVER), {"main": Script(run_for=3, exit_code=1)})
    sim.run(until=5)
    assert (state(sim, "main"), view(sim, "main").last) == ("Terminated 1 Error", None)


def test_a_restarted_container_shows_the_instance_before_as_last_state() -> None:
    sim = Simulation(pod(main()), {"main": [Script(run_for=3, exit_code=1), Script()]})
    sim.run(until=5)
    seen = view(sim, "main")
    assert (text(seen.state), text(seen.last), seen.restart_count) == (
        "Running since 3",
        "Terminated 1 Error",
        1,
    )


def test_a_container_that_will_not_be_restarted_never_waits() -> None:
    sim = Simulation(
        pod(main("m", post_start=HOOK), main("n"), policy=NEVER),
        {"m": Script(hooks={"postStart": (1, "exit 1")}, term_code=1)},
    )
    sim.run(until=5)
    assert state(sim, "m") == "Terminated 1 Error"


def test_a_container_whose_post_start_hook_failed_waits_with_that_reason_in_backoff() -> None:
    """With the handler's words as its message (kuberuntime_container.go: startContainer)."""
    hooked = Script(hooks={"postStart": (0, "no such table")}, term_code=1)
    sim = Simulation(pod(main(post_start=HOOK)), {"main": [hooked, Script(hooks={"postStart": (60, None)})]})
    sim.run(until=5)
    seen = view(sim, "main")
    assert (text(seen.state), text(seen.last)) == ("Waiting PostStartHookError", "Terminated 1 Error")
    assert isinstance(seen.state, Waiting)
    assert seen.state.message == "no such table"


def test_an_init_container_that_exited_0_stays_completed_and_so_does_a_sidecar_in_backoff() -> None:
    sim = Simulation(pod(init(), sidecar("a"), main()), {"init": Script(run_for=1), "a": Script(run_for=1)})
    sim.run(until=6)
    assert state(sim, "init") == "Terminated 0 Completed"
    assert state(sim, "a") == "Terminated 0 Completed"
    error = sim.record.containers["a"].start_error
    assert error is not None
    assert error.reason == "CrashLoopBackOff"


@pytest.mark.parametrize(
    ("deleted", "restart_count"),
    [(False, 1), (True, 0)],
)
def test_a_running_instance_that_vanished_leaves_an_unknown_end(*, deleted: bool, restart_count: int) -> None:
    broken = Script(start_error=("CreateContainerConfigError", "no"))
    sim = Simulation(pod(main("m"), main("n")), {"m": [Script(), broken]})
    sim.run(until=5)
    if deleted:
        sim.delete()
    sim.lose_instances("m")
    sim.run(until=6)
    seen = view(sim, "m")
    assert seen.last == Terminated(
        exit_code=137,
        reason="ContainerStatusUnknown",
        message="The container could not be located when the pod was deleted.  The container used to be Running",
    )
    assert seen.restart_count == restart_count


def test_the_unknown_end_is_counted_once() -> None:
    broken = Script(start_error=("CreateContainerConfigError", "no"))
    sim = Simulation(pod(main("m"), main("n")), {"m": [Script(), broken]})
    sim.run(until=5)
    sim.lose_instances("m")
    sim.run(until=60)
    assert view(sim, "m").restart_count == 1
    assert state(sim, "m") == "Waiting CreateContainerConfigError"


def test_an_exited_instance_that_vanished_stays_as_it_was() -> None:
    sim = Simulation(pod(main("m"), main("n"), policy=ON_FAILURE), {"m": Script(run_for=2)})
    sim.run(until=5)
    sim.plan = pod(main("m"), main("n"), policy=ON_FAILURE)
    sim.deletion = None
    before = view(sim, "m")
    sim.containers = [c for c in sim.containers if c.name != "m"]
    assert (
        view(sim, "m").state
        == before.state
        == Terminated(
            exit_code=0, reason="Completed", started_at=Instant(0), finished_at=Instant(2), id=f"{1:064x}"
        )
    )


def test_a_plain_init_whose_record_is_gone_has_completed_if_a_main_was_created() -> None:
    """As after a restart of the daemon that lost its records and the runtime's: only the main is left."""
    sim = Simulation(pod(init(), main()), {"init": Script(run_for=1)})
    sim.run(until=5)
    sim.lose_instances("init")
    sim.record = Simulation(sim.plan).record
    sim.run(until=6)
    seen = view(sim, "init")
    assert (text(seen.state), seen.ready) == ("Terminated 0 Completed", True)
    assert "treat it as exited normally" in seen.state.message  # type: ignore[union-attr]


def test_restart_all_moves_every_container_aside_and_counts_one_restart() -> None:
    plan = pod(init("i"), sidecar("a"), main(restart_policy=NEVER, restart_rules=(ALL,)))
    sim = Simulation(plan, {"i": Script(run_for=5), "main": [Script(run_for=2, exit_code=42), Script()]})
    sim.run(until=9)
    for name in ("a", "main"):
        seen = view(sim, name)
        assert (text(seen.state), text(seen.last), seen.restart_count) == (
            "Waiting RestartingAllContainers",
            "Terminated 137 RestartingAllContainers",
            1,
        )
    assert state(sim, "i") == "Running since 7"
    sim.run(until=20)
    seen = view(sim, "main")
    assert (text(seen.state), text(seen.last), seen.restart_count) == (
        "Running since 12",
        "Terminated 137 RestartingAllContainers",
        1,
    )


def test_an_ephemeral_container_is_neither_started_nor_ready() -> None:
    sim = Simulation(pod(main(), container("debug", Role.EPHEMERAL)))
    sim.run(until=5)
    status = container_status(shown(sim), "debug")
    assert status.state is not None
    assert status.state.running is not None
    assert (status.started, status.ready) == (None, False)


def test_mains_are_listed_by_name_and_init_containers_as_in_the_spec() -> None:
    sim = Simulation(pod(init("z"), sidecar("y"), main("n"), main("m")), {"z": Script(run_for=1)})
    sim.run(until=5)
    status = status_of(shown(sim))
    assert [s.name for s in status.initContainerStatuses or []] == ["z", "y"]
    assert [s.name for s in status.containerStatuses or []] == ["m", "n"]


def test_termination_messages_share_twelve_kibibytes_evenly_in_bytes() -> None:
    names = ["m", "n", "o", "q"]
    sim = Simulation(pod(*(main(n) for n in names), policy=NEVER), {n: Script(run_for=1) for n in names})
    sim.run(until=0.5)
    for name in names:
        sim.crash(name)
    sim.containers = [
        type(c)(**{f: getattr(c, f) for f in c.__struct_fields__} | {"message": "é" * 2048})
        for c in sim.containers
    ]
    ended = container_status(shown(sim), "m").state
    assert ended is not None
    assert ended.terminated is not None
    assert ended.terminated.message == "é" * (12 * 1024 // 4 // 2)


def test_a_running_status_names_image_id_and_times_in_whole_seconds() -> None:
    sim = Simulation(pod(main(image="busybox")), {"main": Script(start_takes=1.9)})
    sim.run(until=5)
    status = container_status(shown(sim), "main")
    assert (status.image, status.containerID, status.restartCount) == ("busybox", f"pillion://{1:064x}", 0)
    assert status.state is not None
    assert status.state.running is not None
    assert status.state.running.startedAt is not None
    assert status.state.running.startedAt.timestamp() == 1


@pytest.mark.parametrize(
    ("mount", "told"),
    [
        ({}, None),
        ({"readOnly": True}, "Disabled"),
        ({"readOnly": True, "recursiveReadOnly": "Disabled"}, "Disabled"),
        ({"readOnly": True, "recursiveReadOnly": "IfPossible"}, "Enabled"),
        ({"readOnly": True, "recursiveReadOnly": "Enabled"}, "Enabled"),
    ],
)
def test_read_only_mounts_say_whether_what_is_below_is_read_only_too(
    mount: dict[str, object], told: str | None
) -> None:
    from pillion.status.containers import container_status as build

    spec = core_v1.Container(
        name="main", volumeMounts=[core_v1.VolumeMount(name="v", mountPath="/v", **mount)]  # type: ignore[arg-type]
    )  # fmt: skip
    sim = Simulation(pod(main()))
    sim.run(until=1)
    mounts = build(view(sim, "main"), spec, 100).volumeMounts
    assert mounts is not None
    assert mounts[0].recursiveReadOnly == told


def test_a_status_tells_the_user_that_the_runtime_used_with_the_first_group_among_all() -> None:
    from pillion.status.containers import container_status as build

    sim = Simulation(pod(main()))
    spec = core_v1.Container(name="main")
    assert build(view(sim, "main"), spec, 100).user is None
    seen = replaced(view(sim, "main"), identity=Identity(uid=1000, gid=3000, groups=(2000, 4000)))
    user = build(seen, spec, 100).user
    assert user == core_v1.ContainerUser(
        linux=core_v1.LinuxContainerUser(uid=1000, gid=3000, supplementalGroups=[3000, 2000, 4000])
    )
