"""Which conversation a request asks for."""

from __future__ import annotations

from pillion.apiserver import statuses
from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.statuses import bad_request
from pillion.apiserver.streams.logs import serve_logs
from pillion.apiserver.streams.portforward import serve_port_forward
from pillion.apiserver.streams.remotecommand import serve_attach, serve_exec
from pillion.apiserver.streams.websocket import HungUp, UnknownSubprotocol

_CONVERSATIONS = {
    "log": serve_logs,
    "exec": serve_exec,
    "attach": serve_attach,
    "portforward": serve_port_forward,
}


async def serve_streams(request: StreamRequest) -> None:
    """Answers the whole request. Raises ApiError before the first byte."""
    serve = _CONVERSATIONS.get(request.subresource)
    if serve is None:
        raise statuses.no_such_path()
    if request.subresource != "log" and request.scope["type"] != "websocket":
        raise bad_request(_why_not(dict(request.scope["headers"])))
    try:
        await serve(request)
    except (HungUp, UnknownSubprotocol):
        return


def _why_not(headers: dict[bytes, bytes]) -> str:
    """Clients before kubectl 1.30 speak SPDY; newer ones try it when their WebSocket was refused."""
    if headers.get(b"upgrade", b"").lower().startswith(b"spdy/"):
        return "pillion carries streams over WebSocket only, not over SPDY: use kubectl 1.30 or newer"
    return "Upgrade request required"
