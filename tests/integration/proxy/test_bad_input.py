"""What `pillion proxy` refuses, each with its place and a remedy, and without calling Envoy at all."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.integration.proxy.authorities import Authority, as_pem, elliptic_key, key_as_pem, put
from tests.proxy_traffic import PATIENCE, free_port

GOOD = """\
certificates:
  - name: agent  # CERTIFICATE
    folder: FOLDER/agent
    identity: spiffe://pillion.test/ns/default/sa/agent
inbound:
  - name: agent
    port: PORT  # LISTENER
    tls: mutual
    certificate: agent
    routes:
      - match: {prefix: /v1}
        to: 8000
      - to: 8001  # LAST
"""
OUTBOUND = """\
outbound:
  - name: other
    port: PORT
    to: other.test:8443
    certificate: agent
"""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    says: str
    """In the message."""
    at: str
    """A mark in the file: the line that the message names."""
    change: tuple[str, str] = ("", "")
    more: str = ""
    spoil: Callable[[Path], None] = lambda _: None
    """Of the certificate's folder."""


AUTHORITY = Authority()


def _issue(hours: tuple[float, float] = (-1, 24), **more: object) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        AUTHORITY.issue(folder, "agent", hours=hours, **more)  # type: ignore[arg-type]

    return spoil


def _wrong_key(folder: Path) -> None:
    certificate, _ = AUTHORITY.sign("agent")
    put(folder, as_pem(certificate), key_as_pem(elliptic_key()), AUTHORITY.pem)


def _is_a_folder(folder: Path) -> None:
    (folder / "tls.key").unlink()
    (folder / "tls.key").mkdir()
    (folder / "..data" / "tls.key").unlink()
    (folder / "..data" / "tls.key").mkdir()


def _has_no_key(folder: Path) -> None:
    certificate, _ = AUTHORITY.sign("agent")
    put(folder, as_pem(certificate), None, AUTHORITY.pem)


def _trusts_nobody(folder: Path) -> None:
    certificate, key = AUTHORITY.sign("agent")
    put(folder, as_pem(certificate), key_as_pem(key), b"")


def _someone(folder: Path) -> None:
    AUTHORITY.issue(folder, "someone")


def _weak(folder: Path) -> None:
    _issue(key=rsa.generate_private_key(65537, 1024))(folder)


CASES = {
    "wrong key": Case(at="CERTIFICATE", says="it is not the key of", spoil=_wrong_key),
    "expired": Case(at="CERTIFICATE", says="ended at", spoil=_issue((-3, -1))),
    "not yet valid": Case(at="CERTIFICATE", says="begins only at", spoil=_issue((1, 3))),
    "no name": Case(at="CERTIFICATE", says="alternative name", spoil=_issue(identified=False)),
    "trusts nobody": Case(at="CERTIFICATE", says="ca.crt", spoil=_trusts_nobody),
    "weak key": Case(at="CERTIFICATE", says="1024 bits", spoil=_weak),
    "a Secret without its key": Case(at="CERTIFICATE", says="there is no such file", spoil=_has_no_key),
    "unreadable": Case(at="CERTIFICATE", says="it cannot be read (Is a directory)", spoil=_is_a_folder),
    "no Secret": Case(
        at="CERTIFICATE", says="there is no such file", change=("FOLDER/agent", "FOLDER/nowhere")
    ),
    "somebody else's": Case(
        at="CERTIFICATE",
        says="it is for spiffe://pillion.test/ns/default/sa/someone, and identity asks for",
        spoil=_someone,
    ),
    "of an unknown authority": Case(
        at="CERTIFICATE", says="which is its issuer's, has issued it", spoil=_issue(bundle=Authority().pem)
    ),
    "unknown field": Case(
        at="tsl:", says="inbound[0].tsl: unknown key", change=("tls: mutual", "tsl: mutual")
    ),
    "unknown mode": Case(at="mtls", says="inbound[0].tls", change=("tls: mutual", "tls: mtls")),
    "unknown certificate": Case(
        at="certificate: agnet", says="agnet", change=("certificate: agent", "certificate: agnet")
    ),
    "a route that matches the same": Case(
        at="LAST", says="matches the same requests as", change=("{prefix: /v1}", "{prefix: /}")
    ),
    "a route that can never match": Case(
        at="/v1/models",
        says="can never match",
        change=("- to: 8001", "- {match: {exact: /v1/models}, to: 8001}"),
    ),
    "nobody is expected": Case(
        at="name: other", says="expect", more=OUTBOUND.replace("other.test:8443", "10.0.0.9:8443")
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_said_with_its_place_and_envoy_is_not_called(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    folder = AUTHORITY.issue(tmp_path / "agent", "agent")
    case.spoil(folder)
    text = (GOOD + case.more).replace(*case.change) if case.change[0] else GOOD + case.more
    status, said, was_called = run(tmp_path, text)
    number = next(number for number, line in enumerate(text.splitlines(), 1) if case.at in line)
    assert status == 2
    assert case.says in said
    assert f"{tmp_path / 'proxy.yaml'}:{number}: " in said
    assert "; " in said, "a remedy"
    assert "Traceback" not in said
    assert "PRIVATE" not in said.replace("BEGIN PRIVATE KEY", "")
    assert not was_called


def test_a_port_that_is_taken_is_told_by_its_line(tmp_path: Path) -> None:
    AUTHORITY.issue(tmp_path / "agent", "agent")
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        status, said, was_called = run(tmp_path, GOOD.replace("PORT", str(port)))
    assert (status, was_called) == (2, False)
    assert f"{tmp_path / 'proxy.yaml'}:7: inbound[0].port: port {port} is in use" in said


@pytest.mark.parametrize("which", ["admin", "metrics", "health"])
def test_a_port_of_ours_that_is_taken_is_told_by_its_line(tmp_path: Path, which: str) -> None:
    AUTHORITY.issue(tmp_path / "agent", "agent")
    with socket.create_server(("0.0.0.0", 0)) as taken:
        status, said, was_called = run(tmp_path, GOOD, ports={which: taken.getsockname()[1]})
    lines = (tmp_path / "proxy.yaml").read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if line.startswith(f"  {which}: "))
    assert (status, was_called) == (2, False)
    assert f"{tmp_path / 'proxy.yaml'}:{number}: ports.{which}: port " in said


def test_a_key_that_the_proxys_user_may_not_read_is_told_with_its_remedy(tmp_path: Path) -> None:
    """As a user who is bound by a file's mode. Root here becomes no other: Python may lie in its home."""
    folder = AUTHORITY.issue(tmp_path / "agent", "agent")
    (folder / "tls.key").chmod(0)
    lost = "-dac_override,-dac_read_search"
    without = ("setpriv", "--bounding-set", lost, "--inh-caps", lost) if os.getuid() == 0 else ()
    status, said, was_called = run(tmp_path, GOOD, before=without)
    assert (status, was_called) == (2, False)
    assert said.count("\n") == 1, said
    place = f"{tmp_path / 'proxy.yaml'}:2: certificates.agent: {folder}/tls.key"
    assert f"{place}: this user may not read it; " in said
    assert "defaultMode (0440)" in said
    assert "fsGroup" in said


NO_YAML: dict[str, tuple[str, str]] = {
    "a bracket that is not closed": ("    tls: mutual", "    tls: [mutual"),
    "a brace that was not opened": ("inbound:", "inbound: [}"),
    "a tab": ("    tls: mutual", "\ttls: mutual"),
    "too little room": ("    tls: mutual", "   tls: mutual"),
    "a colon too many": ("    tls: mutual", "    tls: mutual: yes"),
    "a quote that is not closed": ("    tls: mutual", '    tls: "mutual'),
    "an unknown anchor": ("    tls: mutual", "    tls: *mutual"),
    "twice the same": ("    tls: mutual", "    tls: mutual\n    tls: none"),
}


@pytest.mark.parametrize("name", NO_YAML)
def test_what_is_no_yaml_is_told_by_its_line_with_a_remedy(tmp_path: Path, name: str) -> None:
    before, after = NO_YAML[name]
    status, said, was_called = run(tmp_path, GOOD.replace(before, after))
    assert (status, was_called) == (2, False)
    assert re.search(rf"{re.escape(str(tmp_path))}/proxy.yaml:\d+: .*; ", said), said
    assert "Traceback" not in said


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("tls: mutual", "tls: mtls").replace("{prefix: /v1}", "{prefixx: /v1}")
    _, said, _ = run(tmp_path, text)
    assert "inbound[0].tls" in said
    assert "prefixx" in said


def test_check_says_the_same_and_finds_good_what_is(tmp_path: Path) -> None:
    AUTHORITY.issue(tmp_path / "agent", "agent")
    assert run(tmp_path, GOOD, "--check")[0] == 0
    _issue((-3, -1))(tmp_path / "agent")
    status, said, _ = run(tmp_path, GOOD, "--check")
    assert status == 1
    assert f"{tmp_path / 'proxy.yaml'}:2: certificates.agent" in said
    assert "ended at" in said


def run(
    folder: Path,
    text: str,
    *options: str,
    before: Sequence[str] = (),
    ports: Mapping[str, int] = {},
) -> tuple[int, str, bool]:
    """The status, all that was said, and whether Envoy was called, in whose place a program stands that notes it."""
    called = folder / "called"
    envoy = folder / "envoy"
    envoy.write_text(f"#!/bin/sh\ntouch {called}\nexit 0\n")
    envoy.chmod(0o755)
    own = {name: free_port() for name in ("admin", "metrics", "health")} | ports
    written = "".join(f"  {name}: {port}\n" for name, port in own.items())
    filled = text.replace("FOLDER", str(folder)).replace("PORT", str(free_port()))
    (folder / "proxy.yaml").write_text(f"{filled}ports:\n{written}")
    stand_in = () if "--check" in options else ("--envoy", str(envoy))
    done = subprocess.run(
        (
            *before,
            sys.executable,
            "-m",
            "pillion",
            "proxy",
            "-c",
            str(folder / "proxy.yaml"),
            *options,
            *stand_in,
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout + done.stderr, called.exists()
