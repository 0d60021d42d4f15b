"""The workbench of one decision: the inputs, and the parts of the next record while they are being worked out.

A `Turn` lives for one call of `decide` and is the only mutable thing in this package; nothing outside sees it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.lifecycle.actions import Action, EventNote
from pillion.lifecycle.observation import ContainerSeen, Observation, RuntimeState
from pillion.lifecycle.record import NO_CONTAINER, ContainerRecord, PodRecord, ProbeRecord, Stop, replaced
from pillion.plan.podplan import ContainerPlan, PodPlan
from pillion.units import Instant

if TYPE_CHECKING:
    from pillion.lifecycle.states import ContainerView


class Turn:
    def __init__(self, plan: PodPlan, record: PodRecord, seen: Observation, now: Instant) -> None:
        self.plan = plan
        self.record = record
        self.seen = seen
        self.now = now
        self.actions: list[Action] = []
        self.events: list[EventNote] = []
        self.wake_at: Instant | None = None
        self.containers = record.containers
        self.probes = record.probes
        self.stops: tuple[Stop, ...] = record.stops
        self.views: dict[str, ContainerView] | None = None
        """What `states.view_all` found, until something it looks at changes."""
        self._containers_owned = False
        self._probes_owned = False
        newest: dict[str, ContainerSeen] = {}
        for instance in seen.containers:
            newest.setdefault(instance.name, instance)
        self.newest = newest
        """The newest instance of each container."""
        self.by_name: dict[str, ContainerPlan] = plan.by_name

    @property
    def deleting(self) -> bool:
        return self.seen.deletion is not None

    def container(self, name: str) -> ContainerRecord:
        return self.containers.get(name, NO_CONTAINER)

    def update_container(self, name: str, **changes: object) -> None:
        self.views = None
        if not self._containers_owned:
            self.containers = dict(self.containers)
            self._containers_owned = True
        self.containers[name] = replaced(self.containers.get(name, NO_CONTAINER), **changes)

    def set_probe(self, key: str, probe: ProbeRecord) -> None:
        self.views = None
        if not self._probes_owned:
            self.probes = dict(self.probes)
            self._probes_owned = True
        self.probes[key] = probe

    def note(self, type_: str, reason: str, message: str, container: str | None = None) -> None:
        self.events.append(EventNote(type=type_, reason=reason, message=message, container=container))

    def wake(self, at: Instant | None) -> None:
        """Ask again at this moment at the latest."""
        if at is not None and (self.wake_at is None or at < self.wake_at):
            self.wake_at = at

    def update(self, **changes: object) -> None:
        self.views = None
        self.record = replaced(self.record, **changes)

    def running(self) -> list[ContainerSeen]:
        """Instances with a process, newest first."""
        return [c for c in self.seen.containers if c.state is RuntimeState.RUNNING]

    def instance(self, container_id: str) -> ContainerSeen | None:
        for instance in self.seen.containers:
            if instance.id == container_id:
                return instance
        return None

    def finish(self) -> PodRecord:
        if (
            self.containers is self.record.containers
            and self.probes is self.record.probes
            and self.stops is self.record.stops
        ):
            return self.record
        return replaced(self.record, containers=self.containers, probes=self.probes, stops=self.stops)
