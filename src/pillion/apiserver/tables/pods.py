"""Rows of Pods, for `kubectl get pods` (pkg/printers/internalversion/printers.go: printPod)."""

from __future__ import annotations

import msgspec

from pillion.apiserver.tables.columns import AGE, NAME, Column, Printer, Row, wide
from pillion.objects import core_v1
from pillion.status import pod_row
from pillion.units import Instant

_PODS = msgspec.json.Decoder(core_v1.Pod)
_ENDED = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


def _print_row(value: bytes, now: Instant) -> Row:
    pod = _PODS.decode(value)
    phase = (pod.status.phase if pod.status is not None else None) or ""
    conditions: tuple[dict[str, str], ...] = ()
    if phase in _ENDED:
        conditions = ({"type": "Completed", "status": "True", "reason": phase, "message": _ENDED[phase]},)
    return Row(msgspec.structs.astuple(pod_row(pod, now)), conditions)


PODS = Printer(
    (
        NAME,
        Column("Ready", "Containers that are ready, of those that should be."),
        Column("Status", "The containers' states in one word."),
        Column("Restarts", "How often containers were restarted, and when last."),
        AGE,
        wide("IP", "The pod's address."),
        wide("Node", "The node it is bound to."),
        wide("Nominated Node", "The node kept free for it."),
        wide("Readiness Gates", "Gates that are true, of those it has."),
    ),
    _print_row,
)
