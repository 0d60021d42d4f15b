"""A world for `decide` to live in: simulated containers in simulated time.

    sim = Simulation(plan, {"agent": Script(run_for=5, exit_code=1)})
    sim.run(until=60)
    assert sim.times("start agent") == [0, 5, 15, 35]

Whole pod lives pass in microseconds, to the exact second. The world does what containers do (run, exit, obey or ignore
signals), never what the kubelet does: every rule under test is in `lifecycle`.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from pillion.lifecycle import (
    Action,
    ContainerSeen,
    ContainerStarted,
    ContainerStartFailed,
    CreateSandbox,
    Decision,
    Deletion,
    EventNote,
    Eviction,
    HookFinished,
    KillContainer,
    MountVolumes,
    Observation,
    Outcome,
    PodRecord,
    ProbeAnswered,
    ProbeKind,
    ProbeOutcome,
    RemoveContainer,
    RunHook,
    RunProbe,
    RuntimeState,
    SandboxCreated,
    SandboxSeen,
    SandboxStopped,
    Stage,
    StartContainer,
    StopContainer,
    StopSandbox,
    TearDown,
    TornDown,
    VolumesFailed,
    VolumesMounted,
    decide,
)
from pillion.lifecycle.record import replaced
from pillion.plan.admission import Rejection
from pillion.plan.podplan import PodPlan
from pillion.units import Instant


@dataclass(frozen=True)
class Script:
    """What one instance of a container does."""

    run_for: float | None = None
    """Seconds until it exits by itself; None: never."""
    exit_code: int = 0
    reason: str | None = None
    """None: Completed or Error by the exit code."""
    term_after: float | None = 0.0
    """Seconds from the stop signal to the exit; None: it ignores the signal."""
    term_code: int = 0
    start_error: tuple[str, str] | None = None
    """(reason, message): it cannot be started."""
    start_takes: float = 0.0
    hooks: dict[str, tuple[float, str | None]] = field(default_factory=dict)
    """By `postStart`/`preStop`: (seconds, error)."""


ProbeScript = Callable[[ProbeKind, float, float], tuple[ProbeOutcome, float]]
"""(kind, seconds since the instance started, now) → (outcome, seconds the attempt takes)"""


def _succeed(_kind: ProbeKind, _age: float, _now: float) -> tuple[ProbeOutcome, float]:
    return ProbeOutcome.SUCCESS, 0.0


class Simulation:
    """One pod. `log` holds (time, text) of everything that happened, in order."""

    def __init__(
        self,
        plan: PodPlan,
        scripts: dict[str, Script | Sequence[Script]] | None = None,
        probes: dict[str, ProbeScript] | None = None,
        *,
        record: PodRecord | None = None,
        volume_failures: int = 0,
    ) -> None:
        self.plan = plan
        self.record = record or PodRecord()
        self.now = 0.0
        self.log: list[tuple[float, str]] = []
        self.events: list[tuple[float, EventNote]] = []
        self.decisions: list[tuple[Observation, Decision]] = []
        self.decided_at: list[float] = []
        self.containers: list[ContainerSeen] = []
        self.sandboxes: list[SandboxSeen] = []
        self.deletion: Deletion | None = None
        self.eviction: Eviction | None = None
        self.rejection: Rejection | None = None
        self.phases: list[tuple[float, str]] = []
        self._scripts = scripts or {}
        self._probes = probes or {}
        self._volume_failures = volume_failures
        self._ids = itertools.count(1)
        self._order = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._outcomes: list[Outcome] = []
        self._wake_at: float | None = 0.0

    # What a test does to the world

    def run(self, until: float = 1000.0) -> None:
        """Live until this moment, or until nothing is left to happen."""
        while True:
            due = self._agenda[0][0] if self._agenda else None
            wake = self._wake_at
            upcoming = min((t for t in (due, wake) if t is not None), default=None)
            if upcoming is None or upcoming > until or self.record.stage is Stage.FINISHED:
                break
            self.now = max(self.now, upcoming)
            while self._agenda and self._agenda[0][0] <= self.now:
                heapq.heappop(self._agenda)[2]()
            self._decide()
        self.now = max(self.now, until)

    def delete(self, grace: int | None = None) -> None:
        seconds = self.plan.grace_seconds if grace is None else grace
        self.deletion = Deletion(grace_seconds=seconds, requested_at=Instant(self.now))
        self._say(f"delete grace={seconds}")
        self._wake_at = self.now

    def evict(self, message: str) -> None:
        self.eviction = Eviction(reason="Evicted", message=message, grace_seconds=1)
        self._wake_at = self.now

    def change(self, plan: PodPlan) -> None:
        self.plan = plan
        self._wake_at = self.now

    def crash(self, name: str, exit_code: int = 1, reason: str | None = None) -> None:
        """The running instance of a container ends now."""
        self._exit(self.newest(name).id, exit_code, reason)
        self._wake_at = self.now

    def lose_sandbox(self) -> None:
        self.sandboxes = [replaced(s, is_ready=False) for s in self.sandboxes]
        for instance in list(self.containers):
            self._exit(instance.id, 137, None)
        self._wake_at = self.now

    def lose_instances(self, name: str) -> None:
        self.containers = [c for c in self.containers if c.name != name]
        self._wake_at = self.now

    def tell(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._wake_at = self.now

    # What a test asks

    def times(self, text: str) -> list[float]:
        """When this was logged; whole seconds come back as such."""
        return [round(at, 3) for at, said in self.log if said == text]

    def texts(self) -> list[str]:
        return [text for _, text in self.log]

    def reasons(self, container: str | None = None) -> list[str]:
        return [e.reason for _, e in self.events if e.container == container]

    def messages(self, reason: str) -> list[str]:
        return [e.message for _, e in self.events if e.reason == reason]

    def newest(self, name: str) -> ContainerSeen:
        return next(c for c in self.containers if c.name == name)

    def seen(self) -> Observation:
        return Observation(
            sandboxes=tuple(self.sandboxes),
            containers=tuple(self.containers),
            deletion=self.deletion,
            eviction=self.eviction,
            rejection=self.rejection,
        )

    # The world

    def _decide(self) -> None:
        seen = replaced(self.seen(), outcomes=tuple(self._outcomes))
        self._outcomes = []
        decision = decide(self.plan, self.record, seen, Instant(self.now))
        self.decisions.append((seen, decision))
        self.decided_at.append(self.now)
        self.record = decision.record
        self._wake_at = decision.wake_at
        self.events.extend((self.now, event) for event in decision.events)
        if not self.phases or self.phases[-1][1] != self.record.phase:
            self.phases.append((self.now, self.record.phase))
        for action in decision.actions:
            self._perform(action)

    def _say(self, text: str) -> None:
        self.log.append((self.now, text))

    def _later(self, seconds: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + seconds, next(self._order), what))

    def _tell_later(self, seconds: float, outcome: Callable[[Instant], Outcome]) -> None:
        self._later(seconds, lambda: self._outcomes.append(outcome(Instant(self.now))))

    def _script(self, name: str, attempt: int) -> Script:
        script = self._scripts.get(name, Script())
        if isinstance(script, Script):
            return script
        return script[min(attempt, len(script) - 1)]

    def _perform(self, action: Action) -> None:
        match action:
            case MountVolumes():
                self._mount()
            case CreateSandbox():
                self._say(f"sandbox {action.attempt}")
                self.sandboxes.insert(
                    0,
                    SandboxSeen(
                        attempt=action.attempt,
                        is_ready=True,
                        ips=("10.0.0.2",),
                        host_network=self.plan.host_network,
                        created_at=Instant(self.now),
                    ),
                )
                self._tell_later(0, lambda at: SandboxCreated(at=at, attempt=action.attempt))
            case StopSandbox():
                self._say("stop sandbox")
                self.sandboxes = [replaced(s, is_ready=False) for s in self.sandboxes]
                self._tell_later(0, lambda at: SandboxStopped(at=at))
            case StartContainer():
                script = self._script(action.name, action.attempt)
                self._later(script.start_takes, lambda: self._start(action, script))
            case RunHook():
                self._hook(action)
            case RunProbe():
                self._probe(action)
            case StopContainer():
                self._signal(action)
            case KillContainer():
                self._say(f"KILL {action.name}")
                self._later(0, lambda: self._exit(action.id, 137, None))
            case RemoveContainer():
                self._say(f"remove {action.name}")
                self._later(0, lambda: self._remove(action.id))
            case TearDown():
                self._say("tear down")
                self._tell_later(0, lambda at: TornDown(at=at))
            case _:
                assert_never(action)

    def _mount(self) -> None:
        self._say("mount")
        if self._volume_failures > 0:
            self._volume_failures -= 1
            self._tell_later(0, lambda at: VolumesFailed(at=at, failures=(("v", 'configmap "x" not found'),)))
        else:
            self._tell_later(0, lambda at: VolumesMounted(at=at))

    def _start(self, action: StartContainer, script: Script) -> None:
        name = action.name
        if script.start_error is not None:
            reason, message = script.start_error
            self._say(f"fail {name}")
            self._outcomes.append(
                ContainerStartFailed(at=Instant(self.now), name=name, reason=reason, message=message)
            )
            return
        plan = next(c for c in self.plan.containers if c.name == name)
        container_id = f"{next(self._ids):064x}"
        self.containers.insert(
            0,
            ContainerSeen(
                id=container_id,
                name=name,
                attempt=action.attempt,
                state=RuntimeState.RUNNING,
                hash=plan.hash,
                image=plan.image,
                sandbox_attempt=self.sandboxes[0].attempt if self.sandboxes else 0,
                created_at=Instant(self.now),
                started_at=Instant(self.now),
            ),
        )
        self._say(f"start {name}")
        self._outcomes.append(ContainerStarted(at=Instant(self.now), name=name, id=container_id))
        if script.run_for is not None:
            self._later(script.run_for, lambda: self._exit(container_id, script.exit_code, script.reason))

    def _hook(self, action: RunHook) -> None:
        self._say(f"{action.hook.value} {action.name}")
        attempt = next(c.attempt for c in self.containers if c.id == action.id)
        takes, error = self._script(action.name, attempt).hooks.get(action.hook.value, (0.0, None))
        self._tell_later(
            takes,
            lambda at: HookFinished(at=at, name=action.name, id=action.id, hook=action.hook, error=error),
        )

    def _probe(self, action: RunProbe) -> None:
        self._say(f"{action.kind.value} probe {action.name}")
        instance = next((c for c in self.containers if c.id == action.id), None)
        age = self.now - (instance.started_at or 0.0) if instance is not None else 0.0
        script = self._probes.get(action.name, _succeed)
        outcome, takes = script(action.kind, age, self.now)
        self._tell_later(
            takes,
            lambda at: ProbeAnswered(
                at=at, name=action.name, id=action.id, kind=action.kind, outcome=outcome, message="scripted"
            ),
        )

    def _signal(self, action: StopContainer) -> None:
        self._say(f"TERM {action.name}")
        instance = next(c for c in self.containers if c.id == action.id)
        script = self._script(action.name, instance.attempt)
        if script.term_after is not None:
            self._later(script.term_after, lambda: self._exit(action.id, script.term_code, None))

    def _exit(self, container_id: str, code: int, reason: str | None) -> None:
        for index, instance in enumerate(self.containers):
            if instance.id == container_id and instance.state is RuntimeState.RUNNING:
                self._say(f"exit {instance.name} {code}")
                self.containers[index] = replaced(
                    instance,
                    state=RuntimeState.EXITED,
                    finished_at=Instant(self.now),
                    exit_code=code,
                    reason=reason or ("Completed" if code == 0 else "Error"),
                )

    def _remove(self, container_id: str) -> None:
        self.containers = [c for c in self.containers if c.id != container_id]
