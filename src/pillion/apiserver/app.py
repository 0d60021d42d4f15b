"""The API server as an ASGI application: who asks, what for, and the last word on errors."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from pillion.apiserver import statuses
from pillion.apiserver.discovery import Discovery
from pillion.apiserver.metricsapi import MetricsApi
from pillion.apiserver.nodeproxy import NodeProxy
from pillion.apiserver.podactions import PodActions
from pillion.apiserver.reading import Reads
from pillion.apiserver.registry import Registry, Resource
from pillion.apiserver.resourceapi import ResourceApi, Verb
from pillion.apiserver.responding import answer_error, send_answer
from pillion.apiserver.reviews import Reviews
from pillion.apiserver.seams import Authenticate, Authorize, IssueToken, Streams
from pillion.apiserver.serverinfo import ServerInfo
from pillion.apiserver.statuses import ApiError
from pillion.apiserver.tokens import TokenRequests
from pillion.apiserver.writes import Writes
from pillion.apiserver.writing import WriteVerbs
from pillion.clock import Clock
from pillion.store import Store

_log = logging.getLogger(__name__)
Verbs = dict[tuple[str, str], Verb]
_OPEN_PATHS = ("/healthz", "/livez", "/readyz")
"""Answered to anybody: they say nothing but that the server lives."""


def build_app(
    store: Store,
    registry: Registry,
    node: NodeProxy,
    clock: Clock,
    writes: Writes,
    *,
    authenticate: Authenticate,
    authorize: Authorize,
    streams: Streams | None = None,
    issue_token: IssueToken | None = None,
    instruments: Callable[[], str] = lambda: "",
) -> Starlette:
    """`writes` is shared with whoever else writes objects: the node and the controllers."""
    verbs = WriteVerbs(writes, clock)
    resources = ResourceApi(
        registry,
        Reads(store, clock),
        verbs,
        {
            **_pod_verbs(PodActions(verbs, _pods_of(registry), clock)),
            **_review_verbs(Reviews(authenticate, authorize, clock)),
            **_metrics_verbs(MetricsApi(store, node, clock)),
            **({} if issue_token is None else _token_verbs(TokenRequests(writes, issue_token, clock))),
        },
        node=node,
        clock=clock,
        authorize=authorize,
        streams=streams,
        otherwise=ServerInfo(registry, Discovery(registry), instruments),
    )
    return Starlette(
        routes=[Mount("/", app=resources)],
        middleware=[Middleware(Authentication, authenticate=authenticate)],
    )


def _pods_of(registry: Registry) -> Resource:
    pods = registry.find("", "v1", "pods")
    assert pods is not None, "there is no server without Pods"
    return pods


def _pod_verbs(actions: PodActions) -> Verbs:
    refusals: Verbs = {("pods/resize", verb): actions.refuse_resize for verb in ("patch", "update")}
    return refusals | {
        ("bindings", "create"): actions.bind,
        ("pods/binding", "create"): actions.bind,
        ("pods/eviction", "create"): actions.evict,
    }


def _review_verbs(reviews: Reviews) -> Verbs:
    return {
        ("localsubjectaccessreviews.authorization.k8s.io", "create"): reviews.subject_access,
        ("selfsubjectaccessreviews.authorization.k8s.io", "create"): reviews.self_access,
        ("selfsubjectreviews.authentication.k8s.io", "create"): reviews.self_subject,
        ("selfsubjectrulesreviews.authorization.k8s.io", "create"): reviews.self_rules,
        ("subjectaccessreviews.authorization.k8s.io", "create"): reviews.subject_access,
        ("tokenreviews.authentication.k8s.io", "create"): reviews.token,
    }


def _metrics_verbs(metrics: MetricsApi) -> Verbs:
    return {
        ("nodes.metrics.k8s.io", "get"): metrics.get,
        ("nodes.metrics.k8s.io", "list"): metrics.list_,
        ("pods.metrics.k8s.io", "get"): metrics.get,
        ("pods.metrics.k8s.io", "list"): metrics.list_,
    }


def _token_verbs(tokens: TokenRequests) -> Verbs:
    return {("serviceaccounts/token", "create"): tokens.create}


class Authentication:
    """Nothing without knowing who asks, and every refusal as a Status."""

    def __init__(self, app: ASGIApp, authenticate: Authenticate) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched_send(message: object) -> None:
            nonlocal has_started
            has_started = True
            await send(message)  # type: ignore[arg-type]

        try:
            if not scope["path"].startswith(_OPEN_PATHS):
                authorization = dict(scope["headers"]).get(b"authorization")
                user = self._authenticate(authorization.decode("latin-1") if authorization else None)
                if user is None:
                    raise statuses.unauthorized()
                scope.setdefault("state", {})["user"] = user
            await self._app(scope, receive, watched_send)
        except ApiError as error:
            if has_started:
                raise
            await _refuse(error, scope, send)


async def _refuse(error: ApiError, scope: Scope, send: Send) -> None:
    if scope["type"] == "http":
        await send_answer(answer_error(error), send)
        return
    # The handshake of a websocket that is not accepted may carry an HTTP answer (ASGI: Websocket Denial Response).
    answer = answer_error(error)
    await send(
        {
            "type": "websocket.http.response.start",
            "status": answer.code,
            "headers": [(b"content-type", answer.content_type.encode())],
        }
    )
    await send({"type": "websocket.http.response.body", "body": answer.body})
