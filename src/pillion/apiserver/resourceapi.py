"""The requests for resources: read, authorized, given to their verb, answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.types import Receive, Scope, Send

from pillion.apiserver import requests, statuses, watching
from pillion.apiserver.instruments import Instruments, RequestLabels
from pillion.apiserver.negotiation import BODY_LIMIT_BYTES
from pillion.apiserver.nodeproxy import NodeProxy
from pillion.apiserver.proxynames import split_proxy_name
from pillion.apiserver.reading import Reads, plan_show
from pillion.apiserver.registry import Registry, Service
from pillion.apiserver.requests import Request, Target
from pillion.apiserver.responding import Answer, send_answer, send_stream
from pillion.apiserver.seams import Attributes, Authorize, StreamRequest, Streams, User
from pillion.apiserver.statuses import ApiError
from pillion.apiserver.writing import WriteVerbs
from pillion.clock import Clock

BODY_TIMEOUT_SECONDS = 60.0
"""How long a client may take to send a body. Kubernetes gives a whole request this long."""
_STREAMED = frozenset({"log", "exec", "attach", "portforward", "proxy"})

Verb = Callable[[Request], Awaitable[Answer]]


class ResourceApi:
    """An ASGI application for everything under /api and /apis that is a resource."""

    def __init__(
        self,
        registry: Registry,
        reads: Reads,
        writes: WriteVerbs,
        computed: dict[tuple[str, str], Verb],
        *,
        node: NodeProxy,
        clock: Clock,
        authorize: Authorize,
        streams: Streams | None,
        instruments: Instruments,
        otherwise: Callable[[Scope, Receive, Send], Awaitable[None]],
    ) -> None:
        """`computed`: verbs of resources and subresources that are more than a read or a write of an object, by
        (qualified name, with `/subresource`; verb). `otherwise` answers paths that name no resource."""
        self._registry = registry
        self._reads = reads
        self._writes = writes
        self._computed = computed
        self._node = node
        self._clock = clock
        self._authorize = authorize
        self._streams = streams
        self._instruments = instruments
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        target = requests.parse_target(self._registry, scope["path"])
        if target is None:
            self._check_path_allowed(scope)
            await self._otherwise(scope, receive, send)
            return
        query = requests.parse_query(scope["query_string"])
        method = scope.get("method", "GET")
        verb = requests.verb_of(method, target, query)
        if scope["type"] == "websocket":
            verb = "get"
        labels = _labels(verb, target)
        try:
            await self._serve(verb, target, query, labels, scope, receive, send)
        except ApiError as error:
            self._instruments.count(labels, error.code)
            raise

    async def _serve(
        self,
        verb: str,
        target: Target,
        query: requests.Query,
        labels: RequestLabels,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        user: User = scope["state"]["user"]
        self._check_allowed(user, verb, target)
        self._check_served(verb, target)
        if target.subresource in _STREAMED:
            with self._instruments.running(labels):
                await self._stream(target, query, scope, receive, send)
            return
        headers = dict(scope["headers"])
        request = Request(
            verb=verb,
            target=target,
            query=query,
            user=user,
            accept=headers.get(b"accept", b"").decode("latin-1"),
            content_type=headers.get(b"content-type", b"").decode("latin-1"),
            user_agent=headers.get(b"user-agent", b"").decode("latin-1"),
            body=b"" if verb in ("get", "list", "watch") else await read_body(headers, receive),
            warnings=[],
        )
        if verb == "watch" and target.resource.service is not Service.COMPUTED:
            with self._instruments.running(labels):
                await self._watch(request, receive, send)
            return
        answer = await self._answer(request)
        self._instruments.count(labels, answer.code)
        await send_answer(answer, send, without_body=scope["method"] == "HEAD")

    async def _answer(self, request: Request) -> Answer:
        target = request.target
        qualified = target.resource.qualified
        named = f"{qualified}/{target.subresource}" if target.subresource else qualified
        special = self._computed.get((named, request.verb))
        if special is not None:
            return await special(request)
        if request.verb == "create" and target.subresource:
            raise statuses.method_not_allowed(target.resource, request.verb)
        match request.verb:
            case "get":
                return self._reads.get(request)
            case "list":
                return await self._reads.list(request)
            case "create":
                return await self._writes.create(request)
            case "update":
                return await self._writes.update(request)
            case "patch":
                return await self._writes.patch(request)
            case "delete":
                return await self._writes.delete(request)
            case "deletecollection":
                return await self._writes.delete_collection(request)
            case _:
                raise statuses.method_not_allowed(target.resource, request.verb)

    async def _watch(self, request: Request, receive: Receive, send: Send) -> None:
        plan = watching.plan_watch(request)
        show, content_type = plan_show(request, self._clock)
        lines = watching.events(self._reads.store, plan, show)
        await send_stream(lines, receive, send, content_type=content_type, warnings=request.warnings)

    async def _stream(
        self, target: Target, query: requests.Query, scope: Scope, receive: Receive, send: Send
    ) -> None:
        proxied = split_proxy_name(target.name) if target.subresource == "proxy" else None
        name = target.name if proxied is None else proxied.name
        stored = self._writes.writes.read(target.resource, target.namespace, name)
        if self._streams is None:
            raise statuses.refused(
                target.resource, target.name, f"this server does not serve {target.subresource}"
            )
        await self._streams(
            StreamRequest(
                resource=target.resource,
                subresource=target.subresource,
                name=target.name,
                object=msgspec.json.decode(stored.value),
                path=target.rest,
                query=query,
                node=self._node,
                scope=scope,
                receive=receive,
                send=send,
            )
        )

    def _check_served(self, verb: str, target: Target) -> None:
        """Raises ApiError for a verb that the resource does not have."""
        resource = target.resource
        if target.subresource == "proxy" and resource.subresource("proxy") is not None:
            return  # for every method, with or without a verb of its own (OPTIONS): the proxy knows which
        if resource.service is Service.EMPTY and verb in (
            "create",
            "update",
            "patch",
            "delete",
            "deletecollection",
        ):
            return  # refused in pillion's own words, or there is nothing to delete
        if not target.subresource:
            verbs: tuple[str, ...] = resource.verbs
        elif (known := resource.subresource(target.subresource)) is not None:
            verbs = known.verbs
        else:
            raise statuses.no_such_path()
        is_collection = not target.name
        misplaced = ("update", "patch") if is_collection else ("create",) if not target.subresource else ()
        if verb not in verbs or verb in misplaced:
            raise statuses.method_not_allowed(resource, verb or "this")

    def _check_path_allowed(self, scope: Scope) -> None:
        """Raises ApiError: forbidden."""
        path = scope["path"]
        user: User | None = scope.get("state", {}).get("user")
        if user is None:
            return  # health: open to anybody
        verb = scope.get("method", "GET").lower()
        if self._authorize(user, Attributes(verb=verb, path=path)) is not None:
            raise ApiError(403, "Forbidden", f'forbidden: User "{user.name}" cannot {verb} path "{path}"', {})

    def _check_allowed(self, user: User, verb: str, target: Target) -> None:
        """Raises ApiError: forbidden."""
        resource = target.resource
        why = self._authorize(
            user,
            Attributes(
                verb=verb,
                group=resource.group,
                version=resource.version,
                resource=resource.plural,
                subresource=target.subresource,
                namespace=target.namespace,
                name=target.name,
            ),
        )
        if why is not None:
            raise statuses.forbidden(
                resource, target.name, denial(user, verb, target) + (f": {why}" if why else "")
            )


def _labels(verb: str, target: Target) -> RequestLabels:
    resource = target.resource
    return RequestLabels(verb, resource.group, resource.version, resource.plural, target.subresource)


def denial(user: User, verb: str, target: Target) -> str:
    """endpoints/handlers/responsewriters/errors.go: forbiddenMessage."""
    resource = target.resource.plural + (f"/{target.subresource}" if target.subresource else "")
    where = f'in the namespace "{target.namespace}"' if target.namespace else "at the cluster scope"
    return f'User "{user.name}" cannot {verb} resource "{resource}" in API group "{target.resource.group}" {where}'


async def read_body(headers: dict[bytes, bytes], receive: Receive) -> bytes:
    """All of it, within the limits of size and time. Raises ApiError."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > BODY_LIMIT_BYTES:
        raise statuses.too_large()
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ApiError(499, "ClientClosedRequest", "the client went away")
                part = message.get("body", b"")
                size += len(part)
                if size > BODY_LIMIT_BYTES:
                    raise statuses.too_large()
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise ApiError(408, "Timeout", "the body of the request did not arrive in time") from None
