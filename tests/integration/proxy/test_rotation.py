"""New certificates, trust and routes while requests are under way: nobody notices; and bad ones: nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.integration.proxy import authorities, handshakes
from tests.integration.proxy.agents import Agent
from tests.integration.proxy.authorities import Authority, as_pem, key_as_pem, put
from tests.integration.proxy.load import Load
from tests.proxy_traffic import PATIENCE, WatchfulSidecar, free_port, until

RATE = 200.0
"""Requests per second."""


class World:
    """A mutual listener whose certificate lies in `folder`."""

    def __init__(self, folder: Path, agent: Agent, **entry: Any) -> None:
        """`entry`: more about the certificate."""
        self.entry = entry
        self.agent = agent
        self.authority = Authority()
        self.folder = self.authority.issue(folder / "server", "agent", dns=["agent.test"])
        self.caller = self.authority.issue(folder / "caller", "caller")
        self.port, self.other_port = free_port(), free_port()
        routes = [{"name": "all", "to": agent.port}]
        self.sidecar = WatchfulSidecar(folder, self.configuration(routes))

    def configuration(self, routes: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
        inbound = {
            "name": "agent",
            "port": self.port,
            "tls": "mutual",
            "certificate": "agent",
            "routes": routes,
        }
        return {
            "certificates": [{"name": "agent", "folder": str(self.folder), **self.entry}],
            "inbound": [inbound],
            **more,
        }

    def tls(self, identity: Path | None = None) -> ssl.SSLContext:
        return handshakes.context(self.authority.pem, identity or self.caller)

    def rotate(self, **more: Any) -> int:
        """The new certificate's serial."""
        certificate, key = self.authority.sign("agent", dns=["agent.test"], **more)
        put(self.folder, as_pem(certificate), key_as_pem(key), self.authority.pem)
        return certificate.serial_number

    def serial(self) -> int:
        """Of the certificate that a new connection is shown."""
        with (
            socket.create_connection(("127.0.0.1", self.port), PATIENCE) as raw,
            self.tls().wrap_socket(raw, server_hostname="agent.test") as wrapped,
        ):
            shown = wrapped.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    def connect(self) -> contextlib.closing[http.client.HTTPSConnection]:
        """Kept alive."""
        connection = http.client.HTTPSConnection("agent.test", self.port, timeout=PATIENCE)
        connection.sock = self.tls().wrap_socket(
            socket.create_connection(("127.0.0.1", self.port), PATIENCE), server_hostname="agent.test"
        )
        return contextlib.closing(connection)

    def until_served(self, serial: int) -> None:
        until(lambda: self.serial() == serial)

    def rejected(self, **labels: str) -> float:
        return self.sidecar.metric("pillion_proxy_updates_rejected_total", **labels) or 0


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with Agent() as agent:
        made = World(tmp_path, agent, identity=authorities.spiffe("agent"))
        with made.sidecar:
            made.sidecar.until_ready()
            yield made


@pytest.fixture
def trusting_world(tmp_path: Path) -> Iterator[World]:
    """Its bundle is of others than its issuer, sometimes."""
    with Agent() as agent:
        made = World(tmp_path, agent, bundle=str(tmp_path / "server" / "ca.crt"))
        with made.sidecar:
            made.sidecar.until_ready()
            yield made


def status(connection: http.client.HTTPConnection, path: str = "/who") -> int:
    """Over this very connection: it may not have been closed."""
    kept = connection.sock
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    assert connection.sock is kept
    return answer.status


def test_a_new_certificate_is_shown_and_open_connections_go_on(world: World) -> None:
    with world.connect() as connection:
        assert status(connection) == 200
        world.until_served(world.rotate(hours=(-1, 48)))
        assert status(connection) == 200
        until(
            lambda: (
                world.sidecar.metric("pillion_proxy_updates_total", kind="certificate", certificate="agent")
                == 1
            )
        )
        assert (
            world.sidecar.metric("pillion_proxy_certificate_last_reload_successful", certificate="agent") == 1
        )


def test_trust_in_an_authority_begins_and_ends_without_a_restart(
    trusting_world: World, tmp_path: Path
) -> None:
    world = trusting_world
    successor = Authority("the next root")
    newcomer = successor.issue(tmp_path / "newcomer", "caller")
    chain, key = (world.folder / "tls.crt").read_bytes(), (world.folder / "tls.key").read_bytes()

    def outcome(identity: Path) -> str:
        return str(handshakes.ask(world.port, world.tls(identity)))

    assert (outcome(world.caller), outcome(newcomer)) == ("200", "unknown_ca")
    with world.connect() as connection:
        put(world.folder, chain, key, world.authority.pem + successor.pem)
        until(lambda: outcome(newcomer) == "200")
        assert outcome(world.caller) == "200"
        put(world.folder, chain, key, successor.pem)
        until(lambda: outcome(world.caller) == "unknown_ca")
        assert outcome(newcomer) == "200"
        assert status(connection) == 200


def _wrong_key(world: World) -> None:
    certificate, _ = world.authority.sign("agent", dns=["agent.test"])
    put(world.folder, as_pem(certificate), key_as_pem(authorities.elliptic_key()), world.authority.pem)


def _expired(world: World) -> None:
    world.rotate(hours=(-3, -1))


def _not_yet(world: World) -> None:
    world.rotate(hours=(1, 3))


def _weak(world: World) -> None:
    world.rotate(key=rsa.generate_private_key(65537, 1024))


def _garbage(world: World) -> None:
    put(world.folder, b"garbage", b"garbage", b"garbage")


def _missing(world: World) -> None:
    chain = (world.folder / "tls.crt").read_bytes()
    put(world.folder, chain, None, world.authority.pem)


def _somebody_else(world: World) -> None:
    world.authority.issue(world.folder, "someone")


def _unknown_authority(world: World) -> None:
    Authority("another root").issue(world.folder, "agent", bundle=world.authority.pem)


BAD: dict[str, tuple[Callable[[World], None], str]] = {
    "wrong key": (_wrong_key, "tls.key"),
    "expired": (_expired, "ended at"),
    "not yet valid": (_not_yet, "begins only at"),
    "weak key": (_weak, "1024"),
    "garbage": (_garbage, "PEM"),
    "missing": (_missing, "there is no such file"),
    "somebody else's": (_somebody_else, f"it is for {authorities.spiffe('someone')}, and identity asks for"),
    "of an unknown authority": (_unknown_authority, "which is its issuer's, has issued it"),
}


def test_bad_certificates_change_nothing_and_are_told(world: World) -> None:
    served = world.serial()
    with world.connect() as connection:
        for name, (spoil, word) in BAD.items():
            before, said = world.rejected(certificate="agent"), len(world.sidecar.said())
            spoil(world)
            until(lambda before=before: world.rejected(certificate="agent") > before)
            news = world.sidecar.said()[said:]
            assert word in news, (name, news)
            assert "certificates[0]" in news or "certificates.agent" in news, (name, news)
            assert (
                world.sidecar.metric("pillion_proxy_certificate_last_reload_successful", certificate="agent")
                == 0
            )
            assert world.serial() == served, name
            assert world.sidecar.is_ready()
            assert status(connection) == 200
        world.until_served(world.rotate())
        until(
            lambda: (
                world.sidecar.metric("pillion_proxy_certificate_last_reload_successful", certificate="agent")
                == 1
            )
        )
        assert status(connection) == 200


def test_new_routes_are_taken_by_open_connections(world: World) -> None:
    with world.connect() as connection:
        assert status(connection, "/private") == 200
        routes = [{"name": "public", "match": {"prefix": "/public"}, "to": world.agent.port}]
        world.sidecar.configure(world.configuration(routes))
        until(lambda: status(connection, "/private") == 404)
        assert status(connection, "/public") == 200


def test_another_listener_comes_and_goes_beside_open_connections(world: World) -> None:
    with world.connect() as connection:
        before = world.sidecar.configuration
        other = {
            "name": "other",
            "port": world.other_port,
            "tls": "none",
            "routes": [{"to": world.agent.port}],
        }
        world.sidecar.configure({**before, "inbound": [*before["inbound"], other]})

        def is_open() -> bool:
            try:
                return handshakes.ask(world.other_port, None).status == 200
            except ConnectionRefusedError:
                return False

        until(is_open)
        assert status(connection) == 200
        world.sidecar.configure(before)
        until(lambda: not is_open())
        assert status(connection) == 200


def test_a_bad_configuration_changes_nothing_and_is_told(world: World) -> None:
    with world.connect() as connection:
        good = world.sidecar.file.read_text()
        world.sidecar.write(good.replace("tls: mutual", "tls: mutal"))
        until(lambda: world.rejected(kind="configuration") == 1)
        line = good.splitlines().index("  tls: mutual") + 1
        assert f"{world.sidecar.file}:{line}: inbound[0].tls" in world.sidecar.said()
        assert world.sidecar.metric("pillion_proxy_config_last_reload_successful") == 0
        assert world.sidecar.is_ready()
        assert status(connection) == 200
        world.sidecar.write(good)
        world.sidecar.tell(signal.SIGHUP)
        until(lambda: world.sidecar.metric("pillion_proxy_config_last_reload_successful") == 1)
        assert status(connection) == 200


@pytest.mark.slow
def test_ten_new_certificates_under_load_fail_no_request(world: World) -> None:
    async def life() -> Load:
        load = Load(world.port, world.tls(), rate=RATE)
        async with load.running():
            await load.until(100)
            for _ in range(10):
                await asyncio.to_thread(world.until_served, world.rotate())
                await load.until(50)
        return load

    load = asyncio.run(life())
    print(load.tally)
    assert load.tally.failed == []
    assert load.tally.refused == 0
    assert load.tally.kept == load.workers, "no connection was closed"
    assert world.sidecar.metric("pillion_proxy_updates_total", certificate="agent") == 10


@pytest.mark.slow
def test_ten_new_sets_of_routes_under_load_fail_no_request(world: World) -> None:
    async def life() -> Load:
        load = Load(world.port, world.tls(), rate=RATE)
        async with load.running():
            await load.until(100)
            for number in range(10):
                path = f"/number-{number}"
                routes = [
                    {
                        "name": "new",
                        "match": {"exact": path},
                        "to": world.agent.port,
                        "rewrite": {"prefix": "/x"},
                    },
                    {"name": "load", "match": {"prefix": "/load"}, "to": world.agent.port},
                ]
                world.sidecar.configure(world.configuration(routes))
                request = f"GET {path} HTTP/1.1\r\nHost: agent.test\r\nConnection: close\r\n\r\n".encode()
                await asyncio.to_thread(
                    until,
                    lambda request=request: (
                        handshakes.ask(world.port, world.tls(), request=request).status == 200
                    ),
                )
                await load.until(50)
        return load

    load = asyncio.run(life())
    print(load.tally)
    assert load.tally.failed == []
    assert load.tally.refused == 0
    assert load.tally.kept == load.workers, "no connection was closed"
