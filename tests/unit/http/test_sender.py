"""The HTTP sender against a server that misbehaves on demand."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
from tests.unit.http.certificates import Certificates

from pillion.http.failure import SettingError
from pillion.http.message import Answer, NoAnswer, Request
from pillion.http.proxies import parse_proxy
from pillion.http.sender import ConnectionSettings, HttpSender, Server
from pillion.http.tls import TlsSettings, client_context, server_context
from pillion.testing.destinations.peer import Accepted, Reply, Reset, Silence
from pillion.testing.destinations.sink import HttpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = Request(path="/in?x=1", body=b"a line\n", headers=(("Content-Type", "text/plain"),))
NET = ConnectionSettings(connect_timeout=5, io_timeout=5)


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as peer:
        yield peer


def sender(sink: HttpSink, net: ConnectionSettings = NET, **how: object) -> HttpSender:
    return HttpSender(Server(host=sink.host, port=sink.port), net, **how)  # type: ignore[arg-type]


def reason(outcome: Answer | NoAnswer) -> str:
    assert isinstance(outcome, NoAnswer)
    return outcome.reason


def test_a_request_arrives_as_it_was_made(sink: HttpSink) -> None:
    outcome = sender(sink).send(LINES, (("Authorization", "Basic eDp5"),))
    assert isinstance(outcome, Answer)
    assert outcome.status == 200
    [seen] = sink.requests
    assert (seen.method, seen.path, seen.query, seen.body) == ("POST", "/in", "x=1", b"a line\n")
    assert seen.headers["content-type"] == "text/plain"
    assert seen.headers["authorization"] == "Basic eDp5"
    assert seen.headers["user-agent"].startswith("pillion")
    assert seen.headers["host"] == f"127.0.0.1:{sink.port}"


def test_headers_of_the_same_name_are_all_sent(sink: HttpSink) -> None:
    lines: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                lines.extend(iter(stream.readline, b"\r\n"))
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        request = Request(path="/", body=b"", headers=(("X-A", "1"), ("X-A", "2")))
        outcome = HttpSender(Server(host="127.0.0.1", port=port), NET).send(request)
        thread.join()
    assert isinstance(outcome, Answer)
    assert [line for line in lines if line.startswith(b"X-A")] == [b"X-A: 1\r\n", b"X-A: 2\r\n"]


def test_one_connection_serves_many_requests(sink: HttpSink) -> None:
    http = sender(sink)
    for _ in range(5):
        http.send(LINES)
    http.close()
    assert {request.connection for request in sink.requests} == {1}


def test_without_keepalive_each_request_has_its_own_connection(sink: HttpSink) -> None:
    http = sender(sink, ConnectionSettings(keepalive=False))
    http.send(LINES)
    http.send(LINES)
    assert [request.connection for request in sink.requests] == [1, 2]


def test_a_kept_connection_that_the_server_closed_is_replaced_at_once(sink: HttpSink) -> None:
    http = sender(sink)
    http.send(LINES)
    sink.drop_connections()
    assert isinstance(http.send(LINES), Answer)
    sink.plan(Reset())
    assert isinstance(http.send(LINES), Answer), "a reset of a kept connection is tried once more"


@pytest.mark.parametrize("fault", [Reset(), Accepted()])
def test_a_reset_of_a_new_connection_is_no_answer(sink: HttpSink, fault: Reset | Accepted) -> None:
    sink.plan(fault)
    assert reason(sender(sink).send(LINES)) == (
        f"127.0.0.1:{sink.port} closed the connection before it answered"
    )


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert reason(HttpSender(Server(host="127.0.0.1", port=port), NET).send(LINES)) == (
        f"cannot connect to 127.0.0.1:{port}: Connection refused"
    )


def test_a_host_that_does_not_exist() -> None:
    said = reason(HttpSender(Server(host="no-such-host.invalid", port=80), NET).send(LINES))
    assert said.startswith("cannot connect to no-such-host.invalid:80: ")
    assert said.endswith("the name is not known")


def test_an_answer_that_does_not_come_in_time(sink: HttpSink) -> None:
    sink.plan(Silence())
    assert reason(sender(sink, answer_timeout=0.05).send(LINES)) == (
        f"127.0.0.1:{sink.port} has not answered in time"
    )


def test_interrupt_ends_a_request_that_waits(sink: HttpSink) -> None:
    sink.plan(Silence())
    http = sender(sink)
    outcomes: list[Answer | NoAnswer] = []
    thread = threading.Thread(target=lambda: outcomes.append(http.send(LINES)))
    thread.start()
    arrived = threading.Event()
    while not sink.requests:
        arrived.wait(0.005)
    http.interrupt()
    thread.join(timeout=10)
    assert not thread.is_alive()
    assert [reason(outcome) for outcome in outcomes] == ["interrupted: the program stops"]
    assert isinstance(http.send(LINES), Answer), "later requests are not affected"


def test_interrupt_ends_a_connect_that_waits() -> None:
    # A listener whose queue is full: the kernel does not answer further connects.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        http = HttpSender(Server(host=address[0], port=address[1]), ConnectionSettings(connect_timeout=30))
        outcomes: list[Answer | NoAnswer] = []
        thread = threading.Thread(target=lambda: outcomes.append(http.send(LINES)))
        thread.start()
        waited = threading.Event()
        while not http._sockets._open:
            waited.wait(0.005)
        while thread.is_alive():
            http.interrupt()
            thread.join(timeout=0.05)
        for filler in fillers:
            filler.close()
    assert reason(outcomes[0]) == "interrupted: the program stops"


def test_nothing_is_left_open(sink: HttpSink) -> None:
    http = sender(sink)
    http.send(LINES)
    http.close()
    assert http._sockets._open == set()


@pytest.mark.parametrize("status", [301, 302])
def test_a_redirect_is_not_followed(sink: HttpSink, status: int) -> None:
    sink.plan(Reply(status=status, headers=(("Location", "http://example.invalid/"),)))
    outcome = sender(sink).send(LINES)
    assert isinstance(outcome, Answer)
    assert outcome.status == status


def test_a_header_that_http_cannot_carry_is_not_shown(sink: HttpSink) -> None:
    outcome = sender(sink).send(LINES, (("Authorization", "Bearer to\nken"),))
    assert "ken" not in reason(outcome)


# ── a proxy ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_proxy_is_asked_for_the_whole_address(sink: HttpSink) -> None:
    proxy = parse_proxy(f"http://user:pass%20word@127.0.0.1:{sink.port}")
    http = HttpSender(Server(host="logs.example.com", port=8080), NET, proxy=proxy)
    assert isinstance(http.send(LINES), Answer)
    [seen] = sink.requests
    assert seen.path == "http://logs.example.com:8080/in"
    assert seen.headers["host"] == "logs.example.com:8080"
    assert seen.headers["proxy-authorization"] == "Basic dXNlcjpwYXNzIHdvcmQ="


def test_a_tls_request_goes_through_a_tunnel(certificates: Certificates) -> None:
    with tls_peer(certificates) as peer, socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []

        def tunnel() -> None:
            near, _ = listener.accept()
            with near, socket.create_connection((peer.host, peer.port)) as far:
                asked.append(near.recv(4096))
                near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_copy, args=(far, near))
                back.start()
                _copy(near, far)
                back.join()

        thread = threading.Thread(target=tunnel)
        thread.start()
        context = client_context(TlsSettings(ca_file=certificates.authority))
        http = HttpSender(
            Server(host="localhost", port=peer.port, tls=context),
            NET,
            proxy=parse_proxy(f"http://127.0.0.1:{listener.getsockname()[1]}"),
        )
        outcome = http.send(LINES)
        http.close()
        thread.join()
    assert isinstance(outcome, Answer)
    assert asked[0].startswith(b"CONNECT localhost:")
    assert peer.bodies == [b"a line\n"]


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_a_proxy_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    http = HttpSender(
        Server(host="logs.example.com", port=80), NET, proxy=parse_proxy(f"http://127.0.0.1:{port}")
    )
    assert reason(http.send(LINES)) == (
        "cannot reach logs.example.com:80 through the proxy: Connection refused"
    )


# ── TLS ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def tls_peer(certificates: Certificates, name: str = "server", **settings: object) -> HttpSink:
    certificate, key = certificates.issue(name)
    server = TlsSettings(cert_file=certificate, key_file=key, **settings)  # type: ignore[arg-type]
    return HttpSink(tls=server_context(server))


def tls_send(
    peer: HttpSink, host: str = "127.0.0.1", *, server_name: str = "", **settings: object
) -> Answer | NoAnswer:
    context = client_context(TlsSettings(**settings))  # type: ignore[arg-type]
    server = Server(host=host, port=peer.port, tls=context, server_name=server_name)
    http = HttpSender(server, NET)
    try:
        return http.send(LINES)
    finally:
        http.close()


def test_a_certificate_of_a_known_authority_for_this_host_is_trusted(certificates: Certificates) -> None:
    with tls_peer(certificates) as peer:
        assert isinstance(tls_send(peer, ca_file=certificates.authority), Answer)


def test_a_certificate_of_nobody_known_is_refused(certificates: Certificates) -> None:
    with tls_peer(certificates) as peer:
        assert "unable to get local issuer certificate" in reason(tls_send(peer))
        assert peer.requests == []


def test_a_certificate_for_another_host_is_refused_unless_told_otherwise(certificates: Certificates) -> None:
    with tls_peer(certificates, "elsewhere.example.com") as peer:
        assert "127.0.0.1" in reason(tls_send(peer, ca_file=certificates.authority))
        assert isinstance(tls_send(peer, ca_file=certificates.authority, verify_hostname=False), Answer)
        assert isinstance(
            tls_send(peer, ca_file=certificates.authority, server_name="elsewhere.example.com"), Answer
        )


def test_verification_can_be_turned_off(certificates: Certificates) -> None:
    with tls_peer(certificates, "elsewhere.example.com") as peer:
        assert isinstance(tls_send(peer, verify=False), Answer)


def test_a_server_may_ask_for_a_certificate(certificates: Certificates) -> None:
    certificate, key = certificates.issue("client")
    with tls_peer(certificates, ca_file=certificates.authority) as peer:
        assert isinstance(tls_send(peer, ca_file=certificates.authority), NoAnswer)
        with_own = tls_send(peer, ca_file=certificates.authority, cert_file=certificate, key_file=key)
        assert isinstance(with_own, Answer)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (TlsSettings(ca_file="/no/such.pem"), "ca_file: cannot use /no/such.pem: No such file or directory"),
        (TlsSettings(cert_file="/c", key_file="/k"), "cert_file: cannot use /c and /k: No such file or directory"),
        (TlsSettings(min_version="TLSv1.1"), "min_version: TLSv1.1 is not offered; write TLSv1.2 or TLSv1.3"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_tls_keys_is_said_with_their_name(settings: TlsSettings, said: str) -> None:
    with pytest.raises(SettingError) as raised:
        client_context(settings)
    assert str(raised.value) == said


def test_a_key_with_a_password_needs_the_right_one(certificates: Certificates) -> None:
    certificate, key = certificates.issue("locked", password="sesame")
    client_context(TlsSettings(cert_file=certificate, key_file=key, key_password="sesame"))
    with pytest.raises(SettingError, match=r"cert_file: cannot use"):
        client_context(TlsSettings(cert_file=certificate, key_file=key))


def test_versions_are_bounded(tmp_path: Path) -> None:
    context = client_context(TlsSettings(min_version="TLSv1.3", verify=False))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
