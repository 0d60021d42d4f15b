"""`nodes/NAME/proxy/…`: what the kubelet's own server answers to (pkg/kubelet/server/server.go)."""

from __future__ import annotations

import msgspec

from pillion.apiserver import statuses
from pillion.apiserver.responding import Answer, send_answer
from pillion.apiserver.seams import StreamRequest


async def serve_node_proxy(request: StreamRequest) -> None:
    """Raises ApiError."""
    if request.resource.kind != "Node":
        raise statuses.refused(
            request.resource,
            request.object["metadata"]["name"],
            "pillion does not serve this proxy: use port-forward",
        )
    match request.path.rstrip("/"):
        case "stats/summary":
            await send_answer(Answer(body=msgspec.json.encode(await request.node.stats())), request.send)
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
