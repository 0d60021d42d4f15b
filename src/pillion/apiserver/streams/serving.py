"""Which conversation a request asks for."""

from __future__ import annotations

from pillion.apiserver import statuses
from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.streams.logs import serve_logs
from pillion.apiserver.streams.nodepaths import serve_node_proxy
from pillion.apiserver.streams.podproxy import serve_pod_proxy
from pillion.apiserver.streams.portforward import serve_port_forward
from pillion.apiserver.streams.remotecommand import serve_attach, serve_exec
from pillion.apiserver.streams.websocket import HungUp, UnknownSubprotocol


async def _serve_proxy(request: StreamRequest) -> None:
    """Raises ApiError."""
    if request.resource.kind == "Node":
        await serve_node_proxy(request)
    else:
        await serve_pod_proxy(request)


_CONVERSATIONS = {
    "log": serve_logs,
    "exec": serve_exec,
    "attach": serve_attach,
    "portforward": serve_port_forward,
    "proxy": _serve_proxy,
}


async def serve_streams(request: StreamRequest) -> None:
    """Answers the whole request. Raises ApiError before the first byte."""
    serve = _CONVERSATIONS.get(request.subresource)
    if serve is None:
        raise statuses.no_such_path()
    try:
        await serve(request)
    except (HungUp, UnknownSubprotocol):
        return
