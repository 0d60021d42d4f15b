"""`nodes/NAME/proxy/…`: what the kubelet's own server answers to (pkg/kubelet/server/server.go).

`NAME:10250` is the same: the kubelet's port. Other ports of the node are not proxied.
"""

from __future__ import annotations

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.proxynames import split_proxy_name
from pillion.apiserver.responding import Answer, send_answer
from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.streams.nodemetrics import TEXT, kubelet_page, resource_page
from pillion.units import quote

_KUBELET_PORTS = ("", "10250")


async def serve_node_proxy(request: StreamRequest) -> None:
    """Raises ApiError."""
    name = split_proxy_name(request.name)
    if name is None:
        raise statuses.bad_request(f"invalid node request {quote(request.name)}")
    if name.port not in _KUBELET_PORTS or request.scope["type"] == "websocket":
        raise statuses.refused(
            request.resource, name.name, "pillion proxies to the kubelet's own paths of a node only"
        )
    match request.path.rstrip("/"):
        case "stats/summary":
            await send_answer(Answer(body=msgspec.json.encode(await request.node.stats())), request.send)
        case "metrics":
            page = kubelet_page(await request.node.stats())
            await send_answer(Answer(body=page, content_type=TEXT), request.send)
        case "metrics/resource":
            page = resource_page(await request.node.stats())
            await send_answer(Answer(body=page, content_type=TEXT), request.send)
        case "healthz":
            await send_answer(Answer(body=b"ok", content_type="text/plain; charset=utf-8"), request.send)
        case "configz":
            # What clients read of it: how fast the node follows changes of ConfigMaps and Secrets.
            config = {
                "kubeletconfig": {
                    "configMapAndSecretChangeDetectionStrategy": "Watch",
                    "syncFrequency": "1m0s",
                }
            }
            await send_answer(Answer(body=msgspec.json.encode(config)), request.send)
        case _:
            raise statuses.no_such_path()
