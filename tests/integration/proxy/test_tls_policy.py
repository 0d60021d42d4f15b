"""What TLS the proxy speaks, as sslscan sees it, against Mozilla's intermediate configuration.

wiki.mozilla.org/Security/Server_Side_TLS, version 5.7. Of that list BoringSSL has no DHE: every client that speaks TLS
1.2 with AES-GCM can do without.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.integration.proxy import handshakes
from tests.integration.proxy.agents import Agent
from tests.integration.proxy.authorities import Authority
from tests.proxy_traffic import PATIENCE, Sidecar, free_port

TLS13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
TLS12 = {
    kind: {
        f"ECDHE-{kind}-AES128-GCM-SHA256",
        f"ECDHE-{kind}-AES256-GCM-SHA384",
        f"ECDHE-{kind}-CHACHA20-POLY1305",
    }
    for kind in ("ECDSA", "RSA")
}
WEAK = ("AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "ECDHE-RSA-AES128-SHA", "AES256-GCM-SHA384")


class World:
    def __init__(self, folder: Path, agent: Agent) -> None:
        self.authority = root = Authority()
        keys = {"ECDSA": None, "RSA": rsa.generate_private_key(65537, 2048)}
        self.ports = {kind: free_port() for kind in keys}
        self.folders = {
            kind: root.issue(folder / kind, "agent", key=key, dns=["agent.test"])
            for kind, key in keys.items()
        }
        self.configuration = {
            "certificates": [
                {"name": kind.lower(), "folder": str(path)} for kind, path in self.folders.items()
            ],
            "inbound": [
                {
                    "name": kind.lower(),
                    "port": port,
                    "tls": "simple",
                    "certificate": kind.lower(),
                    "routes": [{"to": agent.port}],
                }
                for kind, port in self.ports.items()
            ],
        }


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("policy")
    with Agent() as agent:
        made = World(folder, agent)
        with Sidecar(folder, made.configuration) as sidecar:
            sidecar.until_ready()
            yield made


@pytest.mark.skipif(shutil.which("sslscan") is None, reason="needs sslscan: apt-get install sslscan")
@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_sslscan_finds_mozillas_intermediate_configuration(world: World, kind: str) -> None:
    done = subprocess.run(
        ("sslscan", "--no-colour", "--xml=-", "--sni-name=agent.test", f"127.0.0.1:{world.ports[kind]}"),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    found = ET.fromstring(done.stdout)
    enabled = {
        (each.get("type"), each.get("version"))
        for each in found.iter("protocol")
        if each.get("enabled") == "1"
    }
    assert enabled == {("tls", "1.2"), ("tls", "1.3")}
    ciphers: dict[str | None, set[str | None]] = {}
    for cipher in found.iter("cipher"):
        ciphers.setdefault(cipher.get("sslversion"), set()).add(cipher.get("cipher"))
    assert ciphers == {"TLSv1.2": TLS12[kind], "TLSv1.3": TLS13}
    assert {each.get("supported") for each in found.iter("compression")} <= {"0"}
    assert {each.get("vulnerable") for each in found.iter("heartbleed")} <= {"0"}
    renegotiation = found.find(".//renegotiation")
    assert renegotiation is not None
    assert renegotiation.get("supported") == "0"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=str)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_old_version_is_refused(world: World, version: ssl.TLSVersion) -> None:
    tls = handshakes.context(world.authority.pem, versions=[version])
    tls.set_ciphers("ALL:@SECLEVEL=0")
    assert str(handshakes.ask(world.ports["RSA"], tls)) == "protocol_version"


@pytest.mark.parametrize("cipher", WEAK)
def test_a_weak_cipher_is_refused(world: World, cipher: str) -> None:
    tls = handshakes.context(world.authority.pem, versions=[ssl.TLSVersion.TLSv1_2])
    try:
        tls.set_ciphers(f"{cipher}:@SECLEVEL=0")
    except ssl.SSLError:
        pytest.skip(f"this OpenSSL has no {cipher} itself")
    kind = "ECDSA" if "ECDSA" in cipher else "RSA"
    assert str(handshakes.ask(world.ports[kind], tls)) == "handshake_failure"


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_modern_clients_agree(world: World, kind: str, version: ssl.TLSVersion) -> None:
    outcome = handshakes.ask(world.ports[kind], handshakes.context(world.authority.pem, versions=[version]))
    assert outcome.status == 200
    assert outcome.cipher in TLS13 | TLS12[kind]
