"""Certificates whose names would read as another one's: they tell the agent nothing, as they get no connection."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.integration.proxy.authorities import Authority, spiffe
from tests.proxy_lab import echo
from tests.proxy_traffic import PATIENCE, Sidecar, free_port

ADMINISTRATOR = spiffe("administrator")
TLS_MODES = ("mutual", "permissive")


class World:
    def __init__(self, folder: Path, agent: int) -> None:
        self.folder = folder
        self.authority = Authority()
        self.ports = {mode: free_port() for mode in TLS_MODES}
        server = self.authority.issue(folder / "server", "server", dns=["localhost"])
        self.configuration = {
            "certificates": [{"name": "server", "folder": str(server)}],
            "inbound": [
                {"name": mode, "port": port, "tls": mode, "certificate": "server", "routes": [{"to": agent}]}
                for mode, port in self.ports.items()
            ],
        }

    def ask(self, mode: str, dns: str) -> int:
        """As somebody with this DNS name, and no SPIFFE ID."""
        caller = self.authority.issue(self.folder / "caller", "caller", dns=[dns], identified=False)
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        context.load_cert_chain(caller / "tls.crt", caller / "tls.key")
        client = http.client.HTTPSConnection("localhost", self.ports[mode], context=context, timeout=PATIENCE)
        with closing(client):
            client.request("GET", "/")
            return client.getresponse().status


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("names")
    with echo() as agent:
        made = World(folder, agent)
        with Sidecar(folder, made.configuration) as sidecar:
            sidecar.until_ready()
            yield made


@pytest.mark.parametrize("mode", TLS_MODES)
@pytest.mark.parametrize(
    "name", [f"x;URI={ADMINISTRATOR}", f"x,URI={ADMINISTRATOR}", "x\r\nx-caller: root", 'x"']
)
def test_a_name_that_would_read_as_another_ones_gets_no_answer(world: World, mode: str, name: str) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)):
        world.ask(mode, name)


@pytest.mark.parametrize("mode", TLS_MODES)
@pytest.mark.parametrize("name", ["caller.default.svc", "*.example.org", "under_score.example"])
def test_other_names_are_let_in(world: World, mode: str, name: str) -> None:
    assert world.ask(mode, name) == 200
