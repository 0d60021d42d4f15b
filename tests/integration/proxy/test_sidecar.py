"""The whole sidecar with real Envoy: its start, what changes under it, its end, and what is left of it."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.proxy.authorities import Authority, put
from tests.proxy_traffic import PATIENCE, Sidecar, WatchfulSidecar, free_port, read_log, until

_SECRET = b"PRIVATE KEY"


class Upstream:
    """The agent: answers with the path; `/held` only once it is let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.is_held = threading.Event()
        upstream = self

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path == "/held":
                    upstream.is_held.set()
                    upstream.let_go.wait(PATIENCE)
                body = self.path.encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Upstream:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class House:
    """A folder with a Secret, an agent, and the configuration that puts a proxy in front of it."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self.folder = folder
        self.upstream = upstream
        self.port = free_port()
        self.authority = Authority()
        self.secret = self.authority.issue(folder / "secret", "agent", dns=["agent.test"])
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def configuration(self, *routes: dict[str, Any], **more: Any) -> dict[str, Any]:
        inbound = {
            "name": "agent",
            "port": self.port,
            "tls": "simple",
            "certificate": "agent",
            "routes": [*routes, {"name": "rest", "to": self.upstream.port}],
        }
        certificates = [{"name": "agent", "folder": str(self.secret)}]
        return {"certificates": certificates, "inbound": [inbound], "drain": "20s", **more}

    def sidecar(self, *routes: dict[str, Any], **more: Any) -> Sidecar:
        return Sidecar(self.folder / "proxy", self.configuration(*routes, **more))

    def watchful_sidecar(self, *routes: dict[str, Any], **more: Any) -> Sidecar:
        return WatchfulSidecar(self.folder / "proxy", self.configuration(*routes, **more))

    @contextlib.contextmanager
    def connection(self) -> Iterator[http.client.HTTPSConnection]:
        tls = ssl.create_default_context(cadata=self.authority.pem.decode())
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=PATIENCE, context=tls)
        raw = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.sock = tls.wrap_socket(raw, server_hostname="agent.test")
        try:
            yield connection
        finally:
            connection.close()

    def get(self, path: str = "/") -> tuple[int, bytes]:
        with self.connection() as connection:
            return answer(connection, path)

    def serial(self) -> int:
        with self.connection() as connection:
            assert isinstance(connection.sock, ssl.SSLSocket)
            shown = connection.sock.getpeercert()
            assert shown is not None
            return int(str(shown["serialNumber"]), 16)

    def folders(self) -> list[Path]:
        return sorted(self.temporary.glob("pillion-proxy-*"))


def answer(connection: http.client.HTTPSConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def refusals(sidecar: Sidecar, reason: str) -> float:
    return sidecar.metric("pillion_proxy_updates_rejected_total", reason=reason) or 0


def is_gone(pid: int) -> bool:
    """Ended; nobody need have reaped it yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with Upstream() as upstream:
        made = House(tmp_path, upstream)
        monkeypatch.setenv("TMPDIR", str(made.temporary))
        yield made


# ── start ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_it_is_ready_when_it_serves_and_tells_listener_from_upstream(house: House) -> None:
    with house.sidecar() as sidecar:
        sidecar.until_ready()
        assert house.get("/hello") == (200, b"/hello")
        assert sidecar.ask("health", "/healthz/live") == (200, "live\n")
        assert sidecar.ask("health", "/healthz/upstream")[0] == 200
        house.upstream.__exit__()
        assert sidecar.ask("health", "/healthz/ready") == (200, "ready\n")
        status, page = sidecar.ask("health", "/healthz/upstream")
        assert (status, json.loads(page)["upstreams"][0]["reason"]) == (
            503,
            "connection refused: does the agent listen on this port?",
        )
        house.upstream = Upstream().__enter__()
    house.upstream.__exit__()
    assert house.folders() == []


def test_its_metrics_are_envoys_and_its_own(house: House) -> None:
    with house.sidecar() as sidecar:
        sidecar.until_ready()
        house.get()
        assert sidecar.metric("envoy_server_live") == 1
        assert sidecar.metric("pillion_proxy_config_last_reload_successful") == 1
        expiry = sidecar.metric("pillion_proxy_certificate_not_after_timestamp_seconds", certificate="agent")
        assert expiry is not None
        assert sidecar.metric("pillion_proxy_resident_memory_bytes", process="supervisor")


def test_no_private_key_is_in_any_file_of_the_working_folder(house: House) -> None:
    with house.sidecar() as sidecar:
        sidecar.until_ready()
        [folder] = house.folders()
        assert folder.stat().st_mode & 0o777 == 0o700
        files = list(folder.iterdir())
        assert len(files) > 3
        assert [file.name for file in files if _SECRET in file.read_bytes()] == []


@pytest.mark.parametrize("which", ["inbound", "admin", "metrics", "health"])
def test_a_port_that_is_taken_is_said_before_envoy_starts(house: House, which: str) -> None:
    sidecar = house.sidecar()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", house.port if which == "inbound" else sidecar.ports[which]))
        other.listen()
        with sidecar:
            assert sidecar.wait() == 2
    key = r"inbound\[0\].port" if which == "inbound" else rf"ports.{which}"
    assert re.search(
        rf"{re.escape(str(sidecar.file))}:\d+: {key}: port \d+ is in use by another program", sidecar.said()
    )
    assert "Traceback" not in sidecar.said()
    assert house.folders() == []


def test_a_key_of_another_certificate_is_refused_with_its_place(house: House) -> None:
    other = house.authority.issue(house.folder / "other", "agent", dns=["agent.test"])
    put(
        house.secret,
        (house.secret / "tls.crt").read_bytes(),
        (other / "tls.key").read_bytes(),
        house.authority.pem,
    )
    with house.sidecar() as sidecar:
        assert sidecar.wait() == 2
    assert re.search(rf"{re.escape(str(sidecar.file))}:\d+: certificates.agent: ", sidecar.said())


def test_an_access_log_without_its_folder_is_refused(house: House) -> None:
    with house.sidecar(accessLog={"path": str(house.folder / "no/access.log")}) as sidecar:
        assert sidecar.wait() == 2
    assert "accessLog.path: there is no folder" in sidecar.said()


# ── updates ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_new_route_closes_no_connection(house: House) -> None:
    with house.watchful_sidecar() as sidecar, contextlib.ExitStack() as stack:
        sidecar.until_ready()
        connection = stack.enter_context(house.connection())
        assert answer(connection, "/hello") == (200, b"/hello")
        sidecar.configure(
            house.configuration(
                {
                    "name": "renamed",
                    "match": {"prefix": "/hello"},
                    "to": house.upstream.port,
                    "rewrite": {"prefix": "/new"},
                }
            )
        )
        until(lambda: sidecar.metric("pillion_proxy_updates_total", kind="configuration") == 1)
        assert answer(connection, "/hello") == (200, b"/new")
        assert sidecar.envoy_statistics()["listener_manager.listener_modified"] == 0


def test_a_new_listener_is_there_after_sighup_and_an_old_one_goes(house: House) -> None:
    second = free_port()
    plain = {
        "name": "plain",
        "port": second,
        "tls": "none",
        "routes": [{"name": "all", "to": house.upstream.port}],
    }
    with house.watchful_sidecar() as sidecar:
        sidecar.until_ready()
        configuration = house.configuration()
        sidecar.configure({**configuration, "inbound": [*configuration["inbound"], plain]})
        sidecar.tell(signal.SIGHUP)
        until(lambda: sidecar.metric("pillion_proxy_updates_total", kind="configuration") == 1)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", second, timeout=PATIENCE)) as client:
            client.request("GET", "/plain")
            assert client.getresponse().read() == b"/plain"
        sidecar.configure(configuration)
        until(lambda: sidecar.metric("pillion_proxy_updates_total", kind="configuration") == 2)
        until(lambda: sidecar.envoy_statistics()["listener_manager.total_listeners_active"] == 1)
        assert house.get()[0] == 200


def test_a_bad_configuration_keeps_the_last_good_one(house: House) -> None:
    with house.watchful_sidecar() as sidecar:
        sidecar.until_ready()
        for change, reason, said in (
            ({"drain": "soon"}, "invalid", "drain: "),
            ({"concurrency": 2}, "restart_needed", "concurrency was 1 and is 2"),
            ({"ports": {**sidecar.ports, "admin": 1}}, "restart_needed", "ports.admin was"),
        ):
            before = refusals(sidecar, reason)
            sidecar.write(json.dumps({"ports": sidecar.ports, **house.configuration(), **change}))
            until(lambda: refusals(sidecar, reason) == before + 1)  # noqa: B023
            assert sidecar.metric("pillion_proxy_config_last_reload_successful") == 0
            assert house.get()[0] == 200
            assert f"what was there goes on serving: {sidecar.file}" in sidecar.said()
            assert said in sidecar.said()
        sidecar.configure(house.configuration())
        until(lambda: sidecar.metric("pillion_proxy_config_last_reload_successful") == 1)


def test_a_configuration_waits_for_its_certificate_and_keeps_no_other_from_renewal(house: House) -> None:
    other = {"name": "other", "folder": str(house.folder / "other")}
    with house.watchful_sidecar() as sidecar:
        sidecar.until_ready()
        configuration = house.configuration()
        listener = {
            **configuration["inbound"][0],
            "name": "other",
            "port": free_port(),
            "certificate": "other",
        }
        sidecar.configure(
            {
                **configuration,
                "certificates": [*configuration["certificates"], other],
                "inbound": [*configuration["inbound"], listener],
            }
        )
        until(lambda: refusals(sidecar, "invalid") == 1)
        assert "there is no such file" in sidecar.said()
        house.authority.issue(house.secret, "agent", dns=["agent.test"])
        until(lambda: sidecar.metric("pillion_proxy_updates_total", certificate="agent") == 1)
        house.authority.issue(house.folder / "other", "other", dns=["agent.test"])
        until(lambda: sidecar.metric("pillion_proxy_updates_total", kind="configuration") == 1)
        house.port = listener["port"]
        assert house.get()[0] == 200


def test_a_new_listener_on_a_taken_port_is_refused(house: House) -> None:
    with house.watchful_sidecar() as sidecar, socket.socket() as other:
        sidecar.until_ready()
        other.bind(("127.0.0.1", 0))
        other.listen()
        configuration = house.configuration()
        plain = {
            "name": "plain",
            "port": other.getsockname()[1],
            "tls": "none",
            "routes": [{"name": "all", "to": house.upstream.port}],
        }
        sidecar.configure({**configuration, "inbound": [*configuration["inbound"], plain]})
        until(lambda: sidecar.metric("pillion_proxy_updates_rejected_total", reason="port_taken") == 1)
        assert house.get()[0] == 200


def test_a_bad_certificate_keeps_the_last_good_one(house: House) -> None:
    with house.sidecar() as sidecar:
        sidecar.until_ready()
        before = house.serial()
        house.authority.issue(house.secret, "agent", dns=["agent.test"], hours=(-2, -1))
        until(lambda: sidecar.metric("pillion_proxy_updates_rejected_total", reason="expired") == 1)
        assert sidecar.metric("pillion_proxy_certificate_last_reload_successful", certificate="agent") == 0
        assert house.serial() == before
        assert "certificates.agent" in sidecar.said()
        house.authority.issue(house.secret, "agent", dns=["agent.test"])
        until(
            lambda: (
                sidecar.metric("pillion_proxy_certificate_last_reload_successful", certificate="agent") == 1
            )
        )
        assert house.serial() != before


def test_the_access_log_is_renamed_at_its_size_and_no_line_is_lost(house: House) -> None:
    log = house.folder / "access.log"
    with house.watchful_sidecar(accessLog={"path": str(log), "maxBytes": "64Ki", "keep": 2}) as sidecar:
        sidecar.until_ready()
        paths = [f"/{number}/{'x' * 8000}" for number in range(9)]
        for path in paths:
            house.get(path)
        until(lambda: (sidecar.metric("pillion_proxy_access_log_rotations_total") or 0) >= 1)
        house.get("/last")
        logs = (log.with_name("access.log.2"), log.with_name("access.log.1"), log)
        until(lambda: len([line for one in logs for line in read_log(one)]) == len(paths) + 1)
        assert [line["path"] for one in logs for line in read_log(one)] == [*paths, "/last"]


# ── end ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_request_that_is_under_way_ends_after_sigterm(house: House) -> None:
    with house.sidecar() as sidecar, contextlib.ExitStack() as stack:
        sidecar.until_ready()
        connection = stack.enter_context(house.connection())
        connection.request("GET", "/held")
        assert house.upstream.is_held.wait(PATIENCE)
        sidecar.tell(signal.SIGTERM)
        until(lambda: sidecar.ask("health", "/healthz/ready") == (503, "not ready: draining\n"))
        house.upstream.let_go.set()
        response = connection.getresponse()
        assert (response.status, response.read(), response.getheader("connection")) == (
            200,
            b"/held",
            "close",
        )
        assert sidecar.wait() == 0
    assert "drained after" in sidecar.said()
    assert house.folders() == []


def test_ctrl_c_in_a_terminal_drains_too(house: House) -> None:
    """The terminal tells all processes of the group at once."""
    sidecar = house.sidecar()
    with sidecar.errors.open("ab") as errors:
        process = subprocess.Popen(
            (sys.executable, "-m", "pillion", "proxy", "--config", str(sidecar.file)),
            stderr=errors,
            start_new_session=True,
        )
    sidecar.process = process
    try:
        sidecar.until_ready()
        with house.connection() as connection:
            connection.request("GET", "/held")
            assert house.upstream.is_held.wait(PATIENCE)
            os.killpg(process.pid, signal.SIGINT)
            until(lambda: sidecar.ask("health", "/healthz/ready")[0] == 503)
            house.upstream.let_go.set()
            assert connection.getresponse().read() == b"/held"
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.wait()


def test_a_second_sigterm_ends_it_at_once(house: House) -> None:
    with house.sidecar() as sidecar, contextlib.ExitStack() as stack:
        sidecar.until_ready()
        connection = stack.enter_context(house.connection())
        connection.request("GET", "/held")
        assert house.upstream.is_held.wait(PATIENCE)
        envoy = sidecar.envoy()
        sidecar.tell(signal.SIGTERM)
        until(lambda: sidecar.ask("health", "/healthz/ready")[0] == 503)
        sidecar.tell(signal.SIGTERM)
        assert sidecar.wait() == 128 + signal.SIGTERM
        assert is_gone(envoy)
    assert house.folders() == []


def test_requests_that_do_not_end_are_cut_off_when_the_time_is_up(house: House) -> None:
    with house.sidecar(drain="1s") as sidecar, contextlib.ExitStack() as stack:
        sidecar.until_ready()
        connection = stack.enter_context(house.connection())
        connection.request("GET", "/held")
        assert house.upstream.is_held.wait(PATIENCE)
        began = time.monotonic()
        sidecar.tell(signal.SIGTERM)
        assert sidecar.wait() == 0
        assert time.monotonic() - began >= 1
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            connection.getresponse()
    assert "1 requests did not end within 1 s and are cut off" in sidecar.said()


def test_it_ends_when_envoy_is_killed(house: House) -> None:
    with house.sidecar() as sidecar:
        sidecar.until_ready()
        os.kill(sidecar.envoy(), signal.SIGKILL)
        assert sidecar.wait() == 1
    assert "Envoy ended by signal 9 (SIGKILL); the proxy ends" in sidecar.said()
    assert "Traceback" not in sidecar.said()
    assert house.folders() == []


def test_envoy_ends_when_the_supervisor_is_killed_and_the_next_start_clears_up(house: House) -> None:
    with house.sidecar() as sidecar:
        sidecar.until_ready()
        envoy = sidecar.envoy()
        sidecar.tell(signal.SIGKILL)
        assert sidecar.wait() == -signal.SIGKILL
        until(lambda: is_gone(envoy))
    [left] = house.folders()
    assert [file.name for file in left.iterdir() if _SECRET in file.read_bytes()] == []
    with house.sidecar() as sidecar:
        sidecar.until_ready()
        assert house.get()[0] == 200
        assert left not in house.folders()


# ── without serving ──────────────────────────────────────────────────────────────────────────────────────────────────
def pillion(house: House, *options: str) -> subprocess.CompletedProcess[str]:
    sidecar = house.sidecar()
    return subprocess.run(
        (sys.executable, "-m", "pillion", "proxy", "--config", str(sidecar.file), *options),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_check_says_that_it_can_be_used(house: House) -> None:
    done = pillion(house, "--check", "-o", "json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["usable"], report["certificates"][0]["names"]) == (
        0,
        True,
        ["spiffe://pillion.test/ns/default/sa/agent", "agent.test"],
    )
    assert "can be used: 1 inbound, 0 outbound, 1 certificate" in pillion(house, "--check").stdout


def test_check_says_what_is_wrong_with_a_certificate(house: House) -> None:
    house.authority.issue(house.secret, "agent", dns=["agent.test"], hours=(-2, -1))
    done = pillion(house, "--check")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.search(r"proxy.yaml:\d+: certificates.agent: .*tls.crt: .* ended at .*; renew it", done.stderr)


def test_what_envoy_is_told_is_shown_without_the_key(house: House) -> None:
    done = pillion(house, "--show-envoy-config")
    assert done.returncode == 0
    assert json.loads(done.stdout)["listeners"].keys() == {"inbound-agent"}
    assert _SECRET.decode() not in done.stdout


def test_a_program_that_is_no_envoy_is_named(house: House) -> None:
    done = pillion(house, "--envoy", "/no/such/envoy")
    assert (done.returncode, done.stderr) == (
        2,
        "pillion: --envoy /no/such/envoy: it is no program that can be run\n",
    )
