"""httpGet and tcpSocket probes against real servers on the loopback interface."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import cast

import pytest
from tests.integration.loopback import Serve, answering, closed_port, head, serving

from pillion.containers.runtime import Runtime
from pillion.lifecycle.observation import ProbeKind, ProbeOutcome
from pillion.node.probers import Prober, ProbeResult, ProbeTarget
from pillion.plan.podplan import Handler, HttpGetHandler, ProbePlan, TcpSocketHandler


async def ask(port: int, timeout: int = 1, **fields: object) -> ProbeResult:
    return await probe(HttpGetHandler(**({"port": port} | fields)), timeout)


async def probe(handler: Handler, timeout: int = 1) -> ProbeResult:
    target = ProbeTarget(container_id="c", pod_ip="127.0.0.1")
    plan = ProbePlan(handler=handler, timeout=timeout)
    return await Prober(cast("Runtime", None)).probe(target, ProbeKind.READINESS, plan)


def run_against(serve: Serve, tls: ssl.SSLContext | None = None, **fields: object) -> tuple[ProbeResult, int]:
    async def run() -> tuple[ProbeResult, int]:
        async with serving(serve, tls) as port:
            return await ask(port, **fields), port

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "outcome", "message"),
    [
        ((head("200 OK", "Content-Length: 2") + b"ok",), ProbeOutcome.SUCCESS, "ok"),
        ((head("204 No Content"),), ProbeOutcome.SUCCESS, ""),
        ((head("200 OK") + b"until ", b"the end"), ProbeOutcome.SUCCESS, "until the end"),
        ((b"HTTP/1.0 200 OK\n\nbare",), ProbeOutcome.SUCCESS, "bare"),
        ((b"HTTP/1.1 200", b" OK\r", b"\nContent-Le", b"ngth: 1\r\n\r\n", b"x"), ProbeOutcome.SUCCESS, "x"),
        (
            (head("200 OK", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n2;e=1\r\nde\r\n0\r\n\r\n",),
            ProbeOutcome.SUCCESS,
            "abcde",
        ),
        ((head("100 Continue"), head("200 OK", "Content-Length: 0")), ProbeOutcome.SUCCESS, ""),
        (
            (head("503 Busy", "Content-Length: 6") + b"secret",),
            ProbeOutcome.FAILURE,
            "HTTP probe failed with statuscode: 503",
        ),
        ((head("404 Not Found"),), ProbeOutcome.FAILURE, "HTTP probe failed with statuscode: 404"),
        ((head("101 Switching"),), ProbeOutcome.FAILURE, "HTTP probe failed with statuscode: 101"),
    ],
)
def test_the_status_code_decides(answer: tuple[bytes, ...], outcome: ProbeOutcome, message: str) -> None:
    result, _ = run_against(answering(*answer))
    assert result == ProbeResult(outcome=outcome, message=message)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ((), "EOF"),
        (
            (b"SSH-2.0-OpenSSH_9.2\r\n",),
            'net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-OpenSSH_9.2"',
        ),
        (
            (b"HTTP/1.1 2xx OK\r\n\r\n",),
            'net/http: HTTP/1.x transport connection broken: malformed HTTP status code "2xx"',
        ),
        (
            (b"HTTQ/1.1 200 OK\r\n\r\n",),
            'net/http: HTTP/1.x transport connection broken: malformed HTTP version "HTTQ/1.1"',
        ),
        (
            (b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n",),
            "net/http: HTTP/1.x transport connection broken: malformed MIME header line: broken",
        ),
        ((b"HTTP/1.1 200 OK\r\nA: b\r\n",), "net/http: HTTP/1.x transport connection broken: unexpected EOF"),
        (
            (head("200 OK", "Transfer-Encoding: gzip"),),
            'net/http: HTTP/1.x transport connection broken: unsupported transfer encoding: "gzip"',
        ),
    ],
)
def test_what_is_no_response_fails_with_the_words_of_net_http(answer: tuple[bytes, ...], cause: str) -> None:
    result, port = run_against(answering(*answer))
    assert result == ProbeResult(
        outcome=ProbeOutcome.FAILURE, message=f'Get "http://127.0.0.1:{port}/": {cause}'
    )


def test_a_closed_port_refuses_in_the_words_of_net() -> None:
    port = closed_port()
    result = asyncio.run(ask(port, path="/healthz"))
    assert result.message == (
        f'Get "http://127.0.0.1:{port}/healthz": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )
    assert result.outcome is ProbeOutcome.FAILURE


def test_a_reset_connection_names_both_ends() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    result, port = run_against(reset)
    start, end = f'Get "http://127.0.0.1:{port}/": read tcp 127.0.0.1:', "read: connection reset by peer"
    assert result.message.startswith(start)
    assert result.message.endswith(f"->127.0.0.1:{port}: {end}")


@pytest.mark.parametrize("answer", [(), (b"HTTP/1.1 200 OK\r\n",)])
def test_headers_that_do_not_come_in_time_are_a_failure(answer: tuple[bytes, ...]) -> None:
    result, port = run_against(answering(*answer, then_hang=True))
    assert result == ProbeResult(
        outcome=ProbeOutcome.FAILURE,
        message=f'Get "http://127.0.0.1:{port}/": context deadline exceeded'
        " (Client.Timeout exceeded while awaiting headers)",
    )


def test_a_body_that_does_not_end_in_time_is_no_verdict() -> None:
    started = time.monotonic()
    result, _ = run_against(answering(head("200 OK", "Content-Length: 9"), b"half", then_hang=True))
    assert result == ProbeResult(
        outcome=ProbeOutcome.UNKNOWN,
        message="context deadline exceeded (Client.Timeout or context cancellation while reading body)",
    )
    assert time.monotonic() - started >= 3, "asked three times, with a whole timeout each"


@pytest.mark.parametrize("size", [b"-5", b"0x5", b"5_0", b"", b"f" * 17])
def test_a_chunk_size_that_is_no_number_is_no_verdict(size: bytes) -> None:
    result, _ = run_against(answering(head("200 OK", "Transfer-Encoding: chunked"), size + b"\r\nabcdef"))
    assert result == ProbeResult(outcome=ProbeOutcome.UNKNOWN, message="invalid byte in chunk length")


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("ftp://127.0.0.1/", 'Get "ftp://127.0.0.1/": unsupported protocol scheme "ftp"'),
        ("http://[::/", 'failed to parse Location header "http://[::/": Invalid IPv6 URL'),
        ("http://127.0.0.1:99999/", 'Get "http://127.0.0.1:99999/": invalid URL: Port out of range 0-65535'),
    ],
)
def test_a_location_that_is_no_place_is_a_failure(location: str, message: str) -> None:
    result, _ = run_against(answering(head("302 Found", f"Location: {location}")))
    assert result.outcome is ProbeOutcome.FAILURE
    assert result.message.endswith(message)


def test_a_host_that_is_no_name_is_a_failure() -> None:
    assert asyncio.run(ask(80, host="[x")).outcome is ProbeOutcome.FAILURE


def test_a_body_that_ends_early_is_no_verdict() -> None:
    result, _ = run_against(answering(head("200 OK", "Content-Length: 9"), b"half"))
    assert result == ProbeResult(outcome=ProbeOutcome.UNKNOWN, message="unexpected EOF")


@pytest.mark.parametrize(
    "answer",
    [
        (head("200 OK"), b"x" * 200_000),
        (head("200 OK", "Content-Length: 9999999999"), b"x" * 200_000),
        (head("200 OK", "Transfer-Encoding: chunked"), b"ffffffff\r\n", b"x" * 200_000),
    ],
)
def test_a_huge_body_is_read_to_ten_kilobytes_and_no_further(answer: tuple[bytes, ...]) -> None:
    result, _ = run_against(answering(*answer, then_hang=True))
    assert result == ProbeResult(outcome=ProbeOutcome.SUCCESS, message="x" * 10240)


def redirecting(location: str, status: str = "302 Found") -> Serve:
    """Sends every path but /end to `location`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        port = writer.get_extra_info("sockname")[1]
        if request.startswith(b"GET /end "):
            writer.write(head("200 OK", "Content-Length: 5") + b"there")
        else:
            body = b"Found"
            lines = [f"Location: {location.format(port=port)}", f"Content-Length: {len(body)}"]
            writer.write(head(status, *lines) + body)

    return serve


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
@pytest.mark.parametrize("location", ["/end", "end", "http://127.0.0.1:{port}/end"])
def test_redirects_to_the_same_host_are_followed(location: str, status: str) -> None:
    result, _ = run_against(redirecting(location, status))
    assert result == ProbeResult(outcome=ProbeOutcome.SUCCESS, message="there")


@pytest.mark.parametrize("location", ["http://0.0.0.0/", "http://localhost:{port}/end", ""])
def test_a_redirect_elsewhere_is_a_success_with_a_warning(location: str) -> None:
    result, _ = run_against(redirecting(location))
    assert result == ProbeResult(
        outcome=ProbeOutcome.SUCCESS,
        message="Probe terminated redirects, Response body: Found",
        warning=True,
    )


def test_a_redirect_loop_ends_after_ten_requests() -> None:
    requests = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        requests += 1
        await redirecting("/loop")(reader, writer)

    result, _ = run_against(serve)
    assert result == ProbeResult(
        outcome=ProbeOutcome.FAILURE, message='Get "/loop": stopped after 10 redirects'
    )
    assert requests == 10


def test_the_request_is_the_kubelets() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(head("302 Found", "Location: /end") if len(seen) == 1 else head("200 OK"))

    _, port = run_against(serve, path="/healthz?x=1", headers=(("Host", "agent.local"), ("x-a", "b")))
    assert seen[0] == (
        b"GET /healthz?x=1 HTTP/1.1\r\nHost: agent.local\r\nX-A: b\r\nUser-Agent: kube-probe/1.36\r\n"
        b"Accept: */*\r\nConnection: close\r\n\r\n"
    )
    assert f"Referer: http://127.0.0.1:{port}/healthz?x=1\r\n".encode() in seen[1]
    assert b"Host: agent.local\r\n" in seen[1]


def test_a_header_cannot_smuggle_a_second_request() -> None:
    result, port = run_against(answering(head("200 OK")), headers=(("X-A", "b\r\nX-Evil: 1"),))
    assert result.message == (
        f'Get "http://127.0.0.1:{port}/": net/http: invalid header field value for "X-A"'
    )


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    make_self_signed(key, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def make_self_signed(key: Path, certificate: Path) -> None:
    options = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=nobody"]
    files = ["-keyout", str(key), "-out", str(certificate), "-days", "1"]
    subprocess.run(["openssl", "req", "-x509", *options, *files], check=True, capture_output=True)


def test_a_self_signed_certificate_is_good_enough(tls: ssl.SSLContext) -> None:
    result, _ = run_against(answering(head("200 OK", "Content-Length: 2"), b"ok"), tls, scheme="HTTPS")
    assert result == ProbeResult(outcome=ProbeOutcome.SUCCESS, message="ok")


def test_a_large_tls_body_is_read_to_its_limit(tls: ssl.SSLContext) -> None:
    result, _ = run_against(answering(head("200 OK"), b"x" * 200_000), tls, scheme="HTTPS")
    assert result == ProbeResult(outcome=ProbeOutcome.SUCCESS, message="x" * 10240)


@pytest.mark.parametrize(
    ("greeting", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "http: server gave HTTP response to HTTPS client"),
        (b"220 mail ready\r\n", "tls: first record does not look like a TLS handshake"),
        (b"", "EOF"),
    ],
)
def test_a_server_without_tls_is_told_apart(greeting: bytes, cause: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(greeting)
        writer.write_eof()
        await reader.read()

    result, port = run_against(serve, scheme="HTTPS")
    assert result.message == f'Get "https://127.0.0.1:{port}/": {cause}'


def test_a_tcp_probe_succeeds_when_somebody_listens() -> None:
    async def run() -> ProbeResult:
        async with serving(answering()) as port:
            return await probe(TcpSocketHandler(port=port))

    assert asyncio.run(run()) == ProbeResult(outcome=ProbeOutcome.SUCCESS)


def test_a_tcp_probe_of_a_closed_port_is_refused() -> None:
    port = closed_port()
    assert asyncio.run(probe(TcpSocketHandler(port=port))) == ProbeResult(
        outcome=ProbeOutcome.FAILURE, message=f"dial tcp 127.0.0.1:{port}: connect: connection refused"
    )


def test_a_server_on_ipv4_only_is_refused_on_ipv6() -> None:
    async def run() -> ProbeResult:
        async with serving(answering()) as port:
            return await probe(TcpSocketHandler(port=port, host="::1"))

    assert asyncio.run(run()).message.startswith("dial tcp [::1]:")


def test_a_host_name_is_resolved_and_an_unknown_one_reported() -> None:
    async def run() -> tuple[ProbeResult, ProbeResult]:
        async with serving(answering()) as port:
            known = await probe(TcpSocketHandler(port=port, host="localhost"), timeout=5)
            unknown = await probe(TcpSocketHandler(port=port, host="no-such-host.invalid"), timeout=5)
            return known, unknown

    known, unknown = asyncio.run(run())
    assert known.outcome is ProbeOutcome.SUCCESS
    assert unknown.message == "dial tcp: lookup no-such-host.invalid: no such host"


def test_a_connection_that_nobody_accepts_times_out() -> None:
    """A full accept queue: the kernel drops further SYNs."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        first.connect(address)
        second.setblocking(False)
        second.connect_ex(address)
        tcp, http = asyncio.run(both(address[1]))
    assert tcp.message == f"dial tcp 127.0.0.1:{address[1]}: i/o timeout"
    assert http.message.endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")


async def both(port: int) -> tuple[ProbeResult, ProbeResult]:
    async with asyncio.TaskGroup() as group:
        tcp = group.create_task(probe(TcpSocketHandler(port=port)))
        http = group.create_task(ask(port))
    return tcp.result(), http.result()


def test_a_probe_costs_less_than_a_millisecond_of_cpu() -> None:
    """Both sides together must stay below three, on a machine that is busy with other things."""

    async def run() -> float:
        async with serving(answering(head("200 OK", "Content-Length: 2") + b"ok")) as port:
            await ask(port)
            before = time.process_time()
            for _ in range(50):
                await ask(port)
            return (time.process_time() - before) / 50

    assert asyncio.run(run()) < 0.003
