"""What the node needs of whoever keeps the objects: `run` keeps them in memory, an API server in its store."""

from __future__ import annotations

from typing import Protocol

from pillion.objects.models import core_v1


class StatusWriter(Protocol):
    """Where the node reports. Called on the loop; must not block."""

    def pod_changed(self, pod: core_v1.Pod) -> None:
        """The pod's status is new. The object is not changed afterwards: keep it if you like."""

    def event(self, event: core_v1.Event) -> None:
        """An Event happened. Repeats come as further Events with the same text."""

    def pod_finished(self, pod: core_v1.Pod) -> None:
        """Nothing of the pod is left on the node. If it was deleted (deletionTimestamp), its object may go."""
