"""Events on their way: over real TLS to a server that forbids, is silent or away; and from the whole sidecar."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.proxy.apiservers import Asked, EventServer
from tests.integration.proxy.authorities import Authority
from tests.proxy_traffic import PATIENCE, WatchfulSidecar, free_port, until

from pillion.clock import LoopClock
from pillion.proxy.application.eventrecords import EventCounts, Reason, notice
from pillion.proxy.application.events import Events
from pillion.proxy.application.incluster import CREDENTIALS, ApiServer
from pillion.proxy.application.messages import LOG

REFUSED = notice(Reason.CONFIGURATION_REFUSED, "proxy.yaml:7: no")
RETRY = 0.05


class Told:
    """What goes on inside."""

    def __init__(self, events: Events, counts: EventCounts) -> None:
        self.events = events
        self.counts = counts

    async def until(self, fact: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not fact():  # noqa: ASYNC110 - facts of the server's threads, too
                await asyncio.sleep(0.01)


def own_descriptors() -> int:
    """Those of children. The server, whose files come and go in its own threads, is in this process too."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(descriptor.readlink()).startswith(("pipe:", "anon_inode:[pidfd]"))
    return count


def do(place: ApiServer | None, body: Callable[[Told], Coroutine[Any, Any, None]]) -> EventCounts:
    """`body` beside running Events; nothing of them is left afterwards."""
    counts = EventCounts()

    async def main() -> None:
        events = Events(place, counts, LoopClock(), retry=RETRY)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(events.run())
            await body(Told(events, counts))
            running.cancel()

    before = own_descriptors()
    asyncio.run(main())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    assert own_descriptors() == before
    return counts


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EventServer]:
    with EventServer(tmp_path) as running:
        yield running


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    caplog.set_level(logging.DEBUG, LOG)
    return lambda: [
        f"{one.levelname} {one.getMessage()}" for one in caplog.records if one.name == f"{LOG}.events"
    ]


def test_an_event_is_created_and_its_repeat_counted(server: EventServer) -> None:
    async def body(told: Told) -> None:
        told.events.tell(REFUSED)
        await told.until(lambda: told.counts.sent == 1)
        told.events.tell(REFUSED)
        await told.until(lambda: told.counts.sent == 2)

    do(server.place, body)
    created, patch = server.asked
    assert (created.method, created.path) == ("POST", "/api/v1/namespaces/shop/events")
    assert created.body["involvedObject"]["uid"] == "u-1"
    name = created.body["metadata"]["name"]
    assert (patch.method, patch.path) == ("PATCH", f"{created.path}/{name}")
    assert patch.type == "application/strategic-merge-patch+json"
    assert patch.body["count"] == 2


def test_the_token_is_read_again_each_time(server: EventServer) -> None:
    first = (server.credentials / "token").read_text()
    server.answers = [401]

    async def body(told: Told) -> None:
        told.events.tell(REFUSED)
        await told.until(lambda: server.asked)
        second = server.give_token("second")
        await told.until(lambda: told.counts.sent == 1)
        assert server.asked[-1].token == second

    do(server.place, body)
    assert server.asked[0].token == first


def test_what_is_forbidden_is_said_once_with_the_remedy(
    server: EventServer, said: Callable[[], list[str]]
) -> None:
    server.answers = [403, 403]

    async def body(told: Told) -> None:
        for number in (1, 2):
            told.events.tell(REFUSED)
            await told.until(lambda number=number: told.counts.dropped["forbidden"] == number)  # type: ignore[misc]
        told.events.tell(REFUSED)
        await told.until(lambda: told.counts.sent == 1)

    do(server.place, body)
    [line] = said()
    assert line == (
        "WARNING Events cannot be written: its service account needs a Role with the verbs create and patch "
        "on events: 403 said 403"
    )
    assert server.asked[-1].body["count"] == 3, "as soon as there is a Role, it is told how often"
    token = (server.credentials / "token").read_text()
    assert token not in "".join(said())


def test_a_server_that_is_away_gets_it_when_it_is_back(
    server: EventServer, said: Callable[[], list[str]]
) -> None:
    away = ApiServer(host="127.0.0.1", port=free_port(), credentials=str(server.credentials))

    async def body(told: Told) -> None:
        told.events.tell(REFUSED)
        await told.until(said)
        told.events._server = server.place
        await told.until(lambda: told.counts.sent == 1)

    do(away, body)
    [line] = said()
    assert line == (
        f"WARNING Events cannot be written now, and are sent again later: cannot connect to 127.0.0.1:{away.port}: "
        "Connection refused"
    )


def test_one_that_is_away_for_long_is_given_up(server: EventServer) -> None:
    away = ApiServer(host="127.0.0.1", port=free_port(), credentials=str(server.credentials))

    async def body(told: Told) -> None:
        told.events.tell(REFUSED)
        await told.until(lambda: told.counts.dropped["unreachable"])

    assert do(away, body).sent == 0


def test_a_server_that_is_silent_holds_nobody_up(server: EventServer) -> None:
    server.is_silent = True

    async def body(told: Told) -> None:
        told.events.tell(REFUSED)
        await told.until(lambda: server.asked)
        began = time.monotonic()
        for _ in range(100):
            told.events.tell(REFUSED)
        assert time.monotonic() - began < 1

    do(server.place, body)  # and its child is gone when it is cancelled


def test_a_server_of_another_authority_is_sent_no_token(
    server: EventServer, said: Callable[[], list[str]], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    with EventServer(tmp_path / "other") as other:
        (server.credentials / "ca.crt").write_bytes((other.credentials / "ca.crt").read_bytes())

        async def body(told: Told) -> None:
            told.events.tell(REFUSED)
            await told.until(said)

        do(server.place, body)
    assert server.asked == []
    assert "certificate verify failed" in said()[0] or "unable to get local issuer" in said()[0]


@pytest.mark.parametrize("missing", ["token", "pod"])
def test_without_a_pods_token_it_is_off_and_says_so_at_debug_only(
    server: EventServer, said: Callable[[], list[str]], missing: str
) -> None:
    token = server.credentials / "token"
    token.unlink() if missing == "token" else token.write_text("opaque")

    async def body(told: Told) -> None:
        told.events.tell(REFUSED)
        await told.until(said)

    counts = do(server.place, body)
    assert (counts.sent, dict(counts.dropped)) == (0, {})
    [line] = said()
    assert line.startswith("DEBUG no Events are written: ")


def test_outside_of_a_cluster_nothing_happens(said: Callable[[], list[str]]) -> None:
    async def body(told: Told) -> None:
        told.events.tell(REFUSED)
        await asyncio.sleep(0)

    assert do(None, body) == EventCounts()
    assert said() == []


# ── from the whole sidecar ───────────────────────────────────────────────────────────────────────────────────────────
_ENTER = """
mount -t tmpfs none /run && mkdir -p "$0" && mount --bind "$CREDENTIALS" "$0" && unset CREDENTIALS && exec "$@"
"""
"""In a mount namespace of its own: the folder of a service account where every Pod has it."""


class SidecarOfAPod(WatchfulSidecar):
    COMMAND = ("unshare", "--mount", "sh", "-c", _ENTER, CREDENTIALS, *WatchfulSidecar.COMMAND)


@pytest.mark.host
def test_refusals_their_ends_and_old_certificates_are_told(
    server: EventServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", server.place.host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.place.port))
    monkeypatch.setenv("CREDENTIALS", str(server.credentials))
    authority = Authority()
    secret = authority.issue(tmp_path / "secret", "agent", dns=["agent.test"], hours=(-1, 0.08))
    inbound = {"name": "agent", "port": free_port(), "tls": "simple", "certificate": "agent"}
    configuration = {
        "certificates": [{"name": "agent", "folder": str(secret)}],
        "inbound": [{**inbound, "routes": [{"to": 8000}]}],
    }

    def told(reason: str) -> Asked:
        return until(lambda: next((one for one in server.asked if one.body.get("reason") == reason), None))

    with SidecarOfAPod(tmp_path / "proxy", configuration) as sidecar:
        sidecar.until_ready()
        assert "ends soon and nobody has renewed it" in told("ProxyCertificateEnding").body["message"]
        sidecar.write("inbound: 3\n")
        refused = told("ProxyConfigurationRefused").body
        assert refused["type"] == "Warning"
        assert refused["message"].startswith(
            f"update refused, what was there goes on serving: {sidecar.file}:1: inbound: expected a list"
        )
        sidecar.configure(configuration)
        taken = told("ProxyConfigurationTaken").body
        assert (taken["type"], taken["message"]) == ("Normal", f"the configuration was taken: {sidecar.file}")
        authority.issue(secret, "agent", dns=["agent.test"], hours=(-2, -1))
        assert "ended at" in told("ProxyCertificateRefused").body["message"]
        authority.issue(secret, "agent", dns=["agent.test"])
        assert told("ProxyCertificateTaken").body["message"].startswith("the certificate agent was taken")
        until(lambda: sidecar.metric("pillion_proxy_events_sent_total") == len(server.asked) == 5)
        assert "PRIVATE" not in sidecar.said()
