"""Who asks the health port from outside the Pod learns how many upstreams there are, and not who they are."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest

from pillion.http.server import Asked
from pillion.proxy.application.state import Outcome, State
from pillion.proxy.application.web import Web
from pillion.proxy.configuration.values import Configuration, Inbound, Match, Route, Tls
from pillion.proxy.envoy.admin import Admin


def told(peer: str, port: int) -> tuple[int, Any]:
    route = Route(name="secret-route", match=Match(), to=port)
    inbound = Inbound(name="agent", port=8443, tls=Tls.NONE, routes=(route,))
    serving = Configuration(file="f", inbound=(inbound,))
    web = Web(State(started=0.0, serving=serving, configuration=Outcome(successful_at=0.0)), Admin(1))
    asked = Asked(method="GET", target="/healthz/upstream", peer=peer)
    answer = asyncio.run(web.respond_health(asked))
    return int(answer.status), json.loads(answer.body)


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", ""])
def test_strangers_are_told_counts(peer: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as agent:
        port = agent.getsockname()[1]
        assert told(peer, port) == (200, {"healthy": True, "total": 1, "unhealthy": 0})
    assert told(peer, port) == (503, {"healthy": False, "total": 1, "unhealthy": 1})


def test_the_pod_itself_is_told_names() -> None:
    with socket.create_server(("127.0.0.1", 0)) as agent:
        _, report = told("127.0.0.1", agent.getsockname()[1])
    assert [one["name"] for one in report["upstreams"]] == ["agent/secret-route"]
