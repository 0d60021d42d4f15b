"""Who may do what. Two kinds of users, two rules.

`system:masters` may do everything. A service account may look at its own namespace, its Secrets excepted, write Events
there, and ask what it may do: enough for a program that finds out about its own pod and its neighbours, and says what
happened to it. In Kubernetes it may do only what a Role says; pillion has no Roles, so a program that needs more has to
be tried with the administrator's token.
"""

from __future__ import annotations

from pillion.apiserver.seams import Attributes, User

MASTERS = "system:masters"
_READ = ("get", "list", "watch")
_HIDDEN = ("secrets",)
_RECORD = ("create", "patch", "update")
"""What recorders of Events do (client-go, tools/record/event.go: EventSink)."""
_READABLE_SUBRESOURCES = ("", "log", "status")
"""Those of pods that show and do nothing; `exec` over a WebSocket is a `get`, too."""
_SELF_REVIEWS = ("selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews")


def authorize(user: User, attributes: Attributes) -> str | None:
    """An `Authorize`: why not, possibly without a reason; None: it is allowed."""
    if MASTERS in user.groups:
        return None
    if attributes.path:
        return None if attributes.verb == "get" else ""
    if attributes.verb == "create" and attributes.resource in _SELF_REVIEWS:
        return None
    own = user.name.split(":")[2] if user.name.startswith("system:serviceaccount:") else None
    if attributes.resource == "namespaces" and attributes.verb == "get" and attributes.name == own:
        return None
    if (
        own is not None
        and attributes.namespace == own
        and attributes.verb in _RECORD
        and attributes.resource == "events"
        and not attributes.subresource
    ):
        return None
    if (
        own is not None
        and attributes.namespace == own
        and attributes.verb in _READ
        and attributes.resource not in _HIDDEN
        and attributes.subresource in _READABLE_SUBRESOURCES
    ):
        return None
    return ""
