"""The last word on containers of a pod that is over: none may look as if it could still start.

status_manager.go: TerminatePod, hasPodInitialized, initializedContainers.
"""

from __future__ import annotations

from pillion.lifecycle import ContainerView, Running, Terminated, Waiting
from pillion.lifecycle.record import replaced
from pillion.lifecycle.states import UNKNOWN_STATUS
from pillion.plan.podplan import PodPlan, Role

LOST = Terminated(
    exit_code=137,
    reason=UNKNOWN_STATUS,
    message="The container could not be located when the pod was terminated",
)


def settle(plan: PodPlan, views: dict[str, ContainerView]) -> dict[str, ContainerView]:
    """Mains of an initialized pod, and inits that had their turn, end as terminated whatever is known of them."""
    lost: list[str] = []
    if _has_initialized(plan, views):
        lost += [c.name for c in plan.mains]
    lost += _inits_that_had_their_turn(plan, views)
    settled = dict(views)
    for name in lost:
        if not isinstance(views[name].state, Terminated):
            settled[name] = replaced(views[name], state=LOST, started=False, ready=False)
    return settled


def _has_initialized(plan: PodPlan, views: dict[str, ContainerView]) -> bool:
    if not plan.inits:
        return True
    if any(views[c.name].last is not None or isinstance(views[c.name].state, Running) for c in plan.mains):
        return True
    final = views[plan.inits[-1].name]
    if final.plan.role is Role.SIDECAR:
        return isinstance(final.state, Running) and final.started
    return any(isinstance(end, Terminated) and end.exit_code == 0 for end in (final.state, final.last))


def _inits_that_had_their_turn(plan: PodPlan, views: dict[str, ContainerView]) -> list[str]:
    names = [c.name for c in plan.inits]
    for index in range(len(names) - 1, -1, -1):
        view = views[names[index]]
        if not isinstance(view.state, Waiting) or view.last is not None:
            return names[: index + 1]
    return names[:1]
