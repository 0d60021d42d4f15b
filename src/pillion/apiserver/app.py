"""The API server as an ASGI application: who asks, what for, and the last word on errors."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pillion.apiserver import statuses
from pillion.apiserver.discovery import Discovery
from pillion.apiserver.impersonation import impersonate
from pillion.apiserver.instruments import Instruments
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
from pillion.errors import PillionError
from pillion.store import Store

Verbs = dict[tuple[str, str], Verb]
_OPEN_PATHS = ("healthz", "livez", "readyz")
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
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """`writes` is shared with whoever else writes objects: the node and the controllers. `routes` are answered before
    the resources, to those who may ask."""
    instruments = Instruments()
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
        instruments=instruments,
        otherwise=ServerInfo(registry, Discovery(registry), instruments.exposition),
    )
    return Starlette(
        routes=[*routes, Mount("/", app=resources)],
        middleware=[Middleware(Refusals), Middleware(Authentication, authenticate=authenticate)],
        exception_handlers={Exception: _show_bug},
    )


def _show_bug(_request: object, _error: Exception) -> Response:
    """An error nobody expected. Its text may hold anything, so it goes to the log only (Starlette raises it again)."""
    error = statuses.internal_error("the server failed; its log says how")
    return Response(statuses.encode(error), error.code, media_type="application/json")


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


class Refusals:
    """Every refusal becomes a Status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        has_started = False

        async def watched_send(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched_send)
        except (ApiError, PillionError) as error:
            if has_started:
                raise
            known = error if isinstance(error, ApiError) else statuses.internal_error(str(error))
            await _refuse(known, scope, send)


class Authentication:
    """Nothing without knowing who asks."""

    def __init__(self, app: ASGIApp, authenticate: Authenticate) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and scope["path"].split("/")[1] not in _OPEN_PATHS:
            authorization = dict(scope["headers"]).get(b"authorization")
            user = self._authenticate(authorization.decode("latin-1") if authorization else None)
            if user is None:
                raise statuses.unauthorized()
            scope.setdefault("state", {})["user"] = impersonate(user, scope["headers"])
        await self._app(scope, receive, send)


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
