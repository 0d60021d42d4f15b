"""Who terminates TLS before the same upstream: nginx, Envoy with a configuration by hand, and `pillion proxy`.

All have one worker, on a core of their own where there are two, the same key and certificate, and write no access log
unless they are asked to. The upstream is an nginx that answers 64 bytes from memory.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bench.collecting import PILLION, environment
from pillion.errors import PillionError
from pillion.proxy.envoy.program import find_program

NEEDS = {"nginx": "nginx-light", "h2load": "nghttp2-client"}
"""Programs, and Debian's packages that have them."""
_WITHIN = 20.0
_BODY = "0123456789abcdef" * 4
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
"""Mozilla's intermediate ones for TLS 1.2, as far as Envoy has them."""
_EXTENSIONS = "type.googleapis.com/envoy.extensions"


class Peer(NamedTuple):
    name: str
    url: str
    child: subprocess.Popen[bytes]
    ready_after: float
    """Seconds from its start until it served."""

    def processes(self) -> list[int]:
        """Its own and all below it."""
        found = [self.child.pid]
        for pid in found:
            found += [
                int(child)
                for task in Path(f"/proc/{pid}/task").glob("*/children")
                for child in task.read_text().split()
            ]
        return found

    def cpu_seconds(self) -> float:
        """To the nanosecond, by the kernel's clock of each process (clock_getcpuclockid(3))."""
        return sum(time.clock_gettime(~pid << 3 | 2) for pid in self.processes())


class Pair(NamedTuple):
    """A key and its certificate, in a folder as a kubernetes.io/tls Secret has them."""

    folder: Path

    @property
    def chain(self) -> str:
        return str(self.folder / "tls.crt")

    @property
    def key(self) -> str:
        return str(self.folder / "tls.key")


def missing() -> str:
    """What to install, in one line; empty: nothing."""
    lacking = [package for program, package in NEEDS.items() if shutil.which(program) is None]
    needed = [f"apt-get install {' '.join(lacking)}"] if lacking else []
    try:
        find_program()
    except PillionError as error:
        needed.append(str(error))
    return "; ".join(needed)


def make_pair(folder: Path) -> Pair:
    """Of P-256, signed by itself, for an hour."""
    folder.mkdir(parents=True)
    pair = Pair(folder)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "agent")])
    now = datetime.now(UTC)  # noqa: TID251 - of this machine, for an hour
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    Path(pair.key).write_bytes(pem)
    Path(pair.chain).write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return pair


def load_core() -> tuple[str, ...]:
    """What goes before a command that makes load, or answers it."""
    return _on_core(0)


def _on_core(number: int) -> tuple[str, ...]:
    cores = sorted(os.sched_getaffinity(0))
    return ("taskset", "-c", str(cores[number])) if len(cores) > 1 and shutil.which("taskset") else ()


@contextmanager
def upstream(folder: Path) -> Iterator[int]:
    """Its port."""
    port = free_port()
    answer = f'default_type text/plain; return 200 "{_BODY}";'
    text = _nginx_conf(folder, f"server {{ listen 127.0.0.1:{port}; location / {{ {answer} }} }}")
    argv = (*load_core(), "nginx", "-c", str(text))
    with _running(argv, folder) as child:
        _until(child, lambda: _connects(port))
        yield port


@contextmanager
def nginx(folder: Path, pair: Pair, to: int) -> Iterator[Peer]:
    port = free_port()
    listen = (
        f"listen 127.0.0.1:{port} ssl http2; ssl_certificate {pair.chain}; ssl_certificate_key {pair.key};"
    )
    versions = f"ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers {_CIPHERS}; ssl_session_cache shared:tls:1m;"
    passing = (
        'proxy_pass http://agent; proxy_http_version 1.1; proxy_set_header Connection "";'
        " proxy_buffering off; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header Host $host;"
    )
    text = _nginx_conf(
        folder,
        f"upstream agent {{ server 127.0.0.1:{to}; keepalive 64; keepalive_requests 1000000000; }}\n"
        f"server {{ {listen} {versions} location / {{ {passing} }} }}",
    )
    with _serving("nginx", (*_on_core(-1), "nginx", "-c", str(text)), folder, port) as peer:
        yield peer


@contextmanager
def envoy(folder: Path, pair: Pair, to: int) -> Iterator[Peer]:
    port = free_port()
    file = folder / "envoy.json"
    folder.mkdir(parents=True)
    file.write_text(json.dumps(_by_hand(pair, port, to)))
    argv = (*_on_core(-1), find_program(), "-c", str(file), "--concurrency", "1", "-l", "error")
    with _serving("Envoy by hand", (*argv, "--disable-hot-restart"), folder, port) as peer:
        yield peer


@contextmanager
def pillion(
    folder: Path, pair: Pair, to: int, *, name: str = "pillion proxy", more: str = ""
) -> Iterator[Peer]:
    """`more` is YAML, appended to its configuration; `{folder}` in it stands for `folder`."""
    port, admin, metrics, health = (free_port() for _ in range(4))
    folder.mkdir(parents=True)
    file = folder / "proxy.yaml"
    file.write_text(
        f"certificates:\n- name: agent\n  folder: {pair.folder}\n"
        f"ports: {{admin: {admin}, metrics: {metrics}, health: {health}}}\n"
        f"inbound:\n- name: agent\n  port: {port}\n  address: 127.0.0.1\n  tls: simple\n  certificate: agent\n"
        f"  routes:\n  - to: {to}\n" + more.replace("{folder}", str(folder))
    )
    argv = (*_on_core(-1), PILLION, "proxy", "--config", str(file))
    ready = f"http://127.0.0.1:{health}/healthz/ready"
    with _serving(name, argv, folder, port, ready=lambda: _answers(ready)) as peer:
        yield peer


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
        return found


@contextmanager
def _serving(
    name: str,
    argv: tuple[str, ...],
    folder: Path,
    port: int,
    *,
    ready: Callable[[], bool] | None = None,
) -> Iterator[Peer]:
    begun = time.perf_counter()
    with _running(argv, folder) as child:
        _until(child, ready or (lambda: _connects(port)))
        took = time.perf_counter() - begun
        yield Peer(name, f"https://127.0.0.1:{port}/inference", child, took)


@contextmanager
def _running(argv: tuple[str, ...], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("wb") as log:
        child = _start(argv, folder, log)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(_WITHIN)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _start(argv: tuple[str, ...], folder: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv, stdout=log, stderr=log, env=environment(folder))


def _until(child: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
    end = time.perf_counter() + _WITHIN
    while not ready():
        if child.poll() is not None or time.perf_counter() > end:
            raise RuntimeError(f"{' '.join(map(str, child.args))} does not serve")  # type: ignore[arg-type]
        time.sleep(0.002)  # noqa: TID251 - the other side is a process


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - http://127.0.0.1
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _nginx_conf(folder: Path, servers: str) -> Path:
    folder.mkdir(parents=True)
    file = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file.write_text(
        f"worker_processes 1; daemon off; user root; pid {folder}/pid; error_log stderr error;\n"
        "events { worker_connections 1024; }\n"
        f"http {{ access_log off; keepalive_requests 1000000000;\n{temporary}{servers} }}\n"
    )
    return file


def _by_hand(pair: Pair, port: int, to: int) -> dict[str, object]:
    """The least that terminates TLS and passes requests on."""
    tls = {
        "@type": f"{_EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {
                "tls_minimum_protocol_version": "TLSv1_2",
                "tls_maximum_protocol_version": "TLSv1_3",
                "cipher_suites": _CIPHERS.split(":"),
            },
            "tls_certificates": [
                {"certificate_chain": {"filename": pair.chain}, "private_key": {"filename": pair.key}}
            ],
        },
    }
    route = {"match": {"prefix": "/"}, "route": {"cluster": "agent", "timeout": "0s"}}
    http = {
        "@type": f"{_EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound",
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"{_EXTENSIONS}.filters.http.router.v3.Router"}}
        ],
        "route_config": {"virtual_hosts": [{"name": "agent", "domains": ["*"], "routes": [route]}]},
    }
    chain = {
        "transport_socket": {"name": "tls", "typed_config": tls},
        "filters": [{"name": "http", "typed_config": http}],
    }
    endpoint = {"endpoint": {"address": _address(to)}}
    cluster = {
        "name": "agent",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "agent", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    listener = {"name": "agent", "address": _address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
