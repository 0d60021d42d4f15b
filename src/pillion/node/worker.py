"""The pod worker: the one task that owns one pod. observe → decide → perform → describe, driven by events alone."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from pathlib import Path

import msgspec

from pillion.errors import leaves
from pillion.lifecycle import (
    Decision,
    Deletion,
    EventNote,
    Eviction,
    Observation,
    Outcome,
    PodRecord,
    ReferencesChanged,
    Stage,
    decide,
    resume,
)
from pillion.lifecycle.probes import standing
from pillion.lifecycle.record import replaced
from pillion.lifecycle.story import Entry, tell
from pillion.node import persistence
from pillion.node.drivers import Drivers
from pillion.node.performing import RETRY, RETRY_CAP, Performer
from pillion.node.seams import StatusWriter
from pillion.node.starting import PodAtHand
from pillion.objects.models import core_v1
from pillion.plan.admission import rejection
from pillion.plan.build import build_plan
from pillion.plan.facts import PodFacts
from pillion.plan.pods import metadata_of
from pillion.plan.services import service_variables
from pillion.plan.volumes import mounted_volumes
from pillion.status import Addresses, build_event, describe, with_foreign_conditions
from pillion.status.containers import to_time
from pillion.units import Instant

logger = logging.getLogger(__name__)

STORY_LENGTH = 1000
"""Entries kept per pod; older ones are forgotten."""


class PodWorker:
    """Runs one pod until nothing of it is left. Other tasks only leave messages for it."""

    def __init__(
        self,
        pod: core_v1.Pod,
        drivers: Drivers,
        writer: StatusWriter,
        *,
        saved: persistence.SavedPod | None = None,
    ) -> None:
        self.pod = pod
        self.plan = build_plan(pod)
        self.record = resume(saved.record) if saved is not None else PodRecord()
        self.story: deque[Entry] = deque(maxlen=STORY_LENGTH)
        self._drivers = drivers
        self._writer = writer
        self._deletion: Deletion | None = saved.deletion if saved is not None else None
        self._eviction: Eviction | None = saved.eviction if saved is not None else None
        self._ips: tuple[str, ...] = saved.ips if saved is not None else ()
        self._outcomes: list[Outcome] = []
        self._news = asyncio.Event()
        self._last_seen: Observation | None = None
        self._is_unwritten = False
        self._is_updated = False
        self._performer = Performer(drivers, self._at_hand, self._tell, self.note, self.nudge)

    @property
    def uid(self) -> str:
        return self.plan.uid

    # Messages from outside

    def update(self, pod: core_v1.Pod) -> None:
        """The object has changed: spec, metadata, or conditions that others write. The rest of its status is ours."""
        if self.pod.status is not None:
            pod.status = with_foreign_conditions(self.pod.status, pod.status)
        self.pod = pod
        self.plan = build_plan(pod)
        self._is_updated = True
        self.nudge()

    def delete(self, grace_seconds: int) -> None:
        """End the pod. A later call can only shorten the grace period; 0 means at once."""
        now = self._drivers.clock.now()
        if self._deletion is not None and self._deletion.grace_seconds <= grace_seconds:
            return
        self._deletion = Deletion(grace_seconds=grace_seconds, requested_at=now)
        metadata = metadata_of(self.pod)
        self.pod = msgspec.structs.replace(
            self.pod,
            metadata=msgspec.structs.replace(
                metadata,
                deletionTimestamp=to_time(Instant(now + grace_seconds)),
                deletionGracePeriodSeconds=grace_seconds,
            ),
        )
        self.nudge()

    def evict(self, message: str) -> None:
        """The node ends the pod (an emptyDir outgrew its limit): grace period 1 s, phase Failed, reason Evicted."""
        if self._eviction is None:
            self._eviction = Eviction(reason="Evicted", message=message, grace_seconds=1)
            self.nudge()

    def references_changed(self) -> None:
        """A ConfigMap or Secret changed: waiting starts are tried again at once, and volumes follow."""
        self._tell(ReferencesChanged(at=self._drivers.clock.now()))

    async def refresh_volumes(self) -> None:
        """Let configMap, secret, downwardAPI and projected volumes show the present state of their objects."""
        if self.record.stage is Stage.SYNCING and self.record.volumes.mounted:
            drivers = self._drivers
            await drivers.volumes.refresh(self.pod, mounted_volumes(self.pod), drivers.configs, drivers.node)

    def note(self, note: EventNote) -> None:
        """Record an Event about the pod."""
        now = self._drivers.clock.now()
        self._writer.event(build_event(self.pod, self.plan, note, node=self._drivers.node.name, now=now))

    def nudge(self) -> None:
        """Look again: something may have changed."""
        self._news.set()

    # The loop

    async def run(self) -> None:
        """Returns when the pod is finished: nothing of it is left on this node.

        An error of ours in one pod ends no other: it is told, and this worker begins again from its record, as a new
        process would.
        """
        delay = RETRY
        while True:
            try:
                await self._live()
            except Exception as error:  # noqa: BLE001 - this task's one supervisor
                self._tell_of_bug(error)
            else:
                break
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETRY_CAP)
            self.record = resume(self.record)
            self._outcomes.clear()
            self._performer = Performer(self._drivers, self._at_hand, self._tell, self.note, self.nudge)
        self._writer.pod_finished(self.pod)

    async def _live(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._news.clear()
                decision = self._step()
                for action in decision.actions:
                    self._performer.perform(action, tasks)
                if decision.record.stage is Stage.FINISHED:
                    break
                await self._wait(decision.wake_at)
            self._performer.abandon()

    def _tell_of_bug(self, error: Exception) -> None:
        logger.error("pod %s: an error of ours", self.plan.name, exc_info=error)
        for leaf in leaves(error):
            place = traceback.extract_tb(leaf.__traceback__)[-1]
            text = f"{type(leaf).__name__}: {leaf} ({Path(place.filename).name}:{place.lineno})"
            self.note(
                EventNote(type="Warning", reason="FailedSync", message=f"error determining status: {text}")
            )

    def _step(self) -> Decision:
        now = self._drivers.clock.now()
        seen = self._observe()
        decision = decide(self.plan, self.record, seen, now)
        self.story.extend(tell(self._last_seen, seen, self.record, decision, now))
        changed = self._is_news(decision.record, seen)
        # A finished pod that is taken over has told everything: the runtime knows nothing of it any more.
        was_finished = self.record.stage is Stage.FINISHED
        self.record = decision.record
        if self.record.stage not in (Stage.TERMINATED, Stage.FINISHED) or self._last_seen is None:
            # From the tear-down on, the runtime forgets; the status goes on telling how the containers ended.
            self._last_seen = seen
        for event in decision.events:
            self.note(event)
        if not was_finished and (changed or self._is_updated or self.pod.status is None):
            self._is_updated = False
            self._publish(now)
        return decision

    def _is_news(self, record: PodRecord, seen: Observation) -> bool:
        """Whether a status or what is on disk could differ. Most decisions only count one more success of a probe."""
        before, last = self.record, self._last_seen
        if last is None or (last.containers, last.sandboxes) != (seen.containers, seen.sandboxes):
            return True
        if record is before:
            return False
        if record.probes is not before.probes and (
            standing(self.plan, record.probes) != standing(self.plan, before.probes)
        ):
            return True
        return replaced(record, probes=before.probes) != before

    def _observe(self) -> Observation:
        runtime, uid = self._drivers.runtime, self.uid
        sandboxes = runtime.sandboxes(uid)
        if sandboxes and sandboxes[0].ips:
            self._ips = sandboxes[0].ips
        outcomes, self._outcomes = tuple(self._outcomes), []
        return Observation(
            sandboxes=sandboxes,
            containers=runtime.containers(uid),
            outcomes=outcomes,
            deletion=self._deletion,
            eviction=self._eviction,
            rejection=rejection(self.pod, self._drivers.node) if self.record.started_at is None else None,
        )

    def _publish(self, now: Instant) -> None:
        assert self._last_seen is not None
        host_ips = self._drivers.node.host_ips
        addresses = Addresses(host_ip=host_ips[0] if host_ips else "", pod_ips=self._ips)
        status = describe(self.pod, self.plan, self.record, self._last_seen, now, addresses)
        is_new = status != self.pod.status
        if is_new:
            self.pod = msgspec.structs.replace(self.pod, status=status)
        self._write_down()
        if is_new:
            self._writer.pod_changed(self.pod)

    def _write_down(self) -> None:
        """A disk that is full costs the next process some knowledge; this one goes on, and says so once."""
        saved = persistence.SavedPod(
            pod=self.pod,
            record=self.record,
            deletion=self._deletion,
            eviction=self._eviction,
            ips=self._ips,
        )
        try:
            persistence.save(self._drivers.state, self.uid, saved)
        except OSError as error:
            if not self._is_unwritten:
                text = f"cannot write down the state of the pod: {error.strerror}; if pillion is killed now, it is lost"
                self.note(EventNote(type="Warning", reason="FailedSync", message=text))
            self._is_unwritten = True
        else:
            self._is_unwritten = False

    async def _wait(self, wake_at: Instant | None) -> None:
        if wake_at is None:
            await self._news.wait()
            return
        delay = wake_at - self._drivers.clock.now()
        try:
            async with asyncio.timeout(max(0.0, delay)):
                await self._news.wait()
        except TimeoutError:
            pass

    def _tell(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        self._news.set()

    def _at_hand(self) -> PodAtHand:
        sandboxes = self._drivers.runtime.sandboxes(self.uid)
        return PodAtHand(
            pod=self.pod,
            plan=self.plan,
            facts=PodFacts(
                ips=self._ips or self._addresses(),
                service_env=service_variables(self.pod, self._drivers.services()),
            ),
            sandbox_attempt=sandboxes[0].attempt if sandboxes else 0,
        )

    def _addresses(self) -> tuple[str, ...]:
        sandboxes = self._drivers.runtime.sandboxes(self.uid)
        return sandboxes[0].ips if sandboxes else ()
