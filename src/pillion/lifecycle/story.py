"""What happened to a pod, told in order: for the timeline, for drills, for bug reports.

`tell` looks at one decision and the observation it answered, and says what was new about them. It is pure, so the story
of a simulated pod reads like that of a real one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import msgspec

from pillion.lifecycle.actions import (
    Action,
    CreateSandbox,
    KillContainer,
    MountVolumes,
    RemoveContainer,
    RunHook,
    RunProbe,
    StartContainer,
    StopContainer,
    StopSandbox,
    TearDown,
)
from pillion.lifecycle.decision import Decision
from pillion.lifecycle.observation import (
    ContainerStarted,
    ContainerStartFailed,
    HookFinished,
    Observation,
    Outcome,
    RuntimeState,
    SandboxFailed,
    TornDown,
    VolumesFailed,
)
from pillion.lifecycle.record import PodRecord
from pillion.units import Instant


class Kind(StrEnum):
    ASKED = "asked"
    """Something `decide` asked for."""
    SEEN = "seen"
    """Something that came about."""
    PHASE = "phase"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    at: Instant
    kind: Kind
    container: str | None
    text: str
    because: str = ""


def tell(
    before: Observation | None, seen: Observation, record: PodRecord, decision: Decision, now: Instant
) -> list[Entry]:
    """What this decision adds to the story. `before` and `record` are what the decision before was made of."""
    told: list[Entry] = []
    ended = (
        {c.id for c in before.containers if c.state is RuntimeState.EXITED} if before is not None else set()
    )
    for instance in reversed(seen.containers):
        if instance.state is RuntimeState.EXITED and instance.id not in ended:
            text = f"exited with code {instance.exit_code}"
            if instance.reason and instance.reason not in ("Completed", "Error"):
                text += f" ({instance.reason})"
            told.append(
                Entry(at=instance.finished_at or now, kind=Kind.SEEN, container=instance.name, text=text)
            )
    for outcome in seen.outcomes:
        entry = _tell_outcome(outcome, seen)
        if entry is not None:
            told.append(entry)
    told.extend(entry for action in decision.actions if (entry := _tell_action(action, now)) is not None)
    if decision.record.phase != record.phase:
        told.append(Entry(at=now, kind=Kind.PHASE, container=None, text=f"phase {decision.record.phase}"))
    return told


def _tell_outcome(outcome: Outcome, seen: Observation) -> Entry | None:
    match outcome:
        case ContainerStarted(at=at, name=name, id=container_id):
            instance = next((c for c in seen.containers if c.id == container_id), None)
            count = f" (restart {instance.attempt})" if instance is not None and instance.attempt else ""
            started_at = instance.started_at if instance is not None else None
            return Entry(at=started_at or at, kind=Kind.SEEN, container=name, text=f"running{count}")
        case ContainerStartFailed(at=at, name=name, reason=reason, message=message):
            return Entry(at=at, kind=Kind.SEEN, container=name, text=f"not started: {reason}: {message}")
        case HookFinished(at=at, name=name, hook=hook, error=error, cause=cause):
            text = f"{hook.value} hook " + ("returned" if error is None else f"failed: {cause}")
            return Entry(at=at, kind=Kind.SEEN, container=name, text=text)
        case SandboxFailed(at=at, message=message):
            return Entry(at=at, kind=Kind.SEEN, container=None, text=f"no sandbox: {message}")
        case VolumesFailed(at=at, failures=failures):
            text = "; ".join(f"{volume}: {message}" for volume, message in failures)
            return Entry(at=at, kind=Kind.SEEN, container=None, text=f"volumes missing: {text}")
        case TornDown(at=at):
            return Entry(at=at, kind=Kind.SEEN, container=None, text="gone")
        case _:
            return None


def _tell_action(action: Action, now: Instant) -> Entry | None:
    def asked(text: str, container: str | None = None) -> Entry:
        return Entry(at=now, kind=Kind.ASKED, container=container, text=text, because=action.because)

    match action:
        case RunProbe() | RemoveContainer():
            return None
        case MountVolumes():
            return asked("mount volumes")
        case CreateSandbox():
            return asked("create sandbox")
        case StopSandbox():
            return asked("stop sandbox")
        case TearDown():
            return asked("remove everything")
        case StartContainer(name=name):
            return asked("start", name)
        case RunHook(name=name, hook=hook):
            return asked(f"run {hook.value} hook", name)
        case StopContainer(name=name):
            return asked("stop signal", name)
        case KillContainer(name=name):
            return asked("SIGKILL", name)
        case _:
            assert_never(action)
