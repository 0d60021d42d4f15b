"""The scraper's HTTP client against a server that answers as it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.unit.http.certificates import Certificates

from pillion.http.message import Answer, NoAnswer, Request
from pillion.http.tls import TlsSettings, server_context
from pillion.scraper.client import Client, without_user
from pillion.scraper.configuration import (
    Authorization,
    BasicAuth,
    Header,
    HttpClient,
    OAuth2,
    Secret,
    TlsConfig,
)
from pillion.scraper.configuration.schema import FilePath
from pillion.scraper.configuration.values import Url
from pillion.testing.destinations.peer import Reply
from pillion.testing.destinations.sink import HttpSink
from pillion.units import Instant

if TYPE_CHECKING:
    from collections.abc import Iterator

GET = Request(method="GET", path="/metrics?a=1", body=b"")


class FixedClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> Instant:
        return Instant(self.time)


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as peer:
        yield peer


def client(
    sink: HttpSink, settings: HttpClient | None = None, environment: dict[str, str] | None = None
) -> Client:
    return Client(
        settings or HttpClient(),
        f"http://127.0.0.1:{sink.port}/metrics",
        clock=FixedClock(),
        environment=environment or {},
        timeout=5,
    )


def status(outcome: Answer | NoAnswer) -> int:
    assert isinstance(outcome, Answer), outcome
    return outcome.status


def test_a_request_says_who_asks(sink: HttpSink) -> None:
    assert status(client(sink).send(GET)) == 200
    assert sink.requests[0].headers["user-agent"].startswith("pillion/")


def test_a_password_is_read_again_when_its_file_changes(sink: HttpSink, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("one\n")
    basic = BasicAuth(username="u", password_file=FilePath(str(file)))
    http = client(sink, HttpClient(basic_auth=basic))
    http.send(GET)
    file.write_text("two and more\n")
    http.send(GET)
    assert [seen.headers["authorization"] for seen in sink.requests] == [
        "Basic dTpvbmU=",
        "Basic dTp0d28gYW5kIG1vcmU=",
    ]


def test_a_missing_credential_is_no_answer_that_names_the_file(sink: HttpSink) -> None:
    settings = HttpClient(authorization=Authorization(credentials_file=FilePath("/no/such/token")))
    outcome = client(sink, settings).send(GET)
    assert isinstance(outcome, NoAnswer)
    assert "/no/such/token" in outcome.reason
    assert sink.requests == []


def test_headers_of_the_user_are_sent_with_the_credentials(sink: HttpSink) -> None:
    settings = HttpClient(
        authorization=Authorization(credentials=Secret("t0ken")),
        http_headers={"X-Scope": Header(values=("a",), secrets=(Secret("b"),))},
    )
    client(sink, settings).send(GET)
    [seen] = sink.requests
    assert seen.headers["authorization"] == "Bearer t0ken"
    assert "x-scope" in seen.headers


def test_redirects_are_followed_without_credentials_to_another_server(sink: HttpSink) -> None:
    with HttpSink() as other:
        sink.plan(Reply(status=302, headers=(("Location", f"http://127.0.0.1:{other.port}/there"),)))
        settings = HttpClient(authorization=Authorization(credentials=Secret("t0ken")))
        assert status(client(sink, settings).send(GET)) == 200
        [seen] = other.requests
    assert seen.path == "/there"
    assert "authorization" not in seen.headers


def test_redirects_are_not_followed_when_told_so(sink: HttpSink) -> None:
    sink.plan(Reply(status=302, headers=(("Location", "/there"),)))
    assert status(client(sink, HttpClient(follow_redirects=False)).send(GET)) == 302


def test_a_circle_of_redirects_ends(sink: HttpSink) -> None:
    sink.plan(*[Reply(status=307, headers=(("Location", "/metrics"),)) for _ in range(11)])
    outcome = client(sink).send(GET)
    assert isinstance(outcome, NoAnswer)
    assert outcome.reason == "stopped after 10 redirects"


def test_a_proxy_is_used_but_for_its_exceptions(sink: HttpSink) -> None:
    through = HttpClient(proxy_url=Url(f"http://127.0.0.1:{sink.port}"), no_proxy="127.0.0.1")
    http = Client(through, "http://far.invalid/m", clock=FixedClock(), environment={}, timeout=5)
    assert status(http.send(GET)) == 200
    assert sink.requests[0].path.startswith("http://far.invalid")
    assert status(client(sink, through).send(GET)) == 200
    assert sink.requests[1].path == "/metrics"


def test_a_token_is_asked_for_once_and_again_when_it_is_refused(sink: HttpSink) -> None:
    with HttpSink() as issuer:
        issuer.plan(
            *[Reply(status=200, body=b'{"access_token":"t%d","expires_in":100}' % n) for n in range(2)]
        )
        oauth2 = OAuth2(
            client_id="id", client_secret=Secret("s"), token_url=Url(f"http://127.0.0.1:{issuer.port}/token")
        )
        http = client(sink, HttpClient(oauth2=oauth2))
        http.send(GET)
        http.send(GET)
        sink.plan(Reply(status=401))
        assert status(http.send(GET)) == 200
        assert [seen.path for seen in issuer.requests] == ["/token", "/token"]
    shown = [seen.headers["authorization"] for seen in sink.requests]
    assert shown == ["Bearer t0", "Bearer t0", "Bearer t0", "Bearer t1"]


def test_certificates_are_read_again_when_their_files_change(tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / name).mkdir()
    good, bad = Certificates(tmp_path / "good"), Certificates(tmp_path / "bad")
    certificate, key = good.issue("server")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(Path(bad.authority).read_bytes())
    context = server_context(TlsSettings(cert_file=certificate, key_file=key))
    with HttpSink(tls=context) as peer:
        settings = HttpClient(tls_config=TlsConfig(ca_file=FilePath(str(trusted))))
        url = f"https://127.0.0.1:{peer.port}/"
        http = Client(settings, url, clock=FixedClock(), environment={}, timeout=5)
        assert isinstance(http.send(GET), NoAnswer)
        trusted.unlink()
        assert isinstance(http.send(GET), NoAnswer)
        trusted.write_bytes(Path(good.authority).read_bytes())
        assert status(http.send(GET)) == 200
        http.close()


def test_certificates_may_be_text(tmp_path: Path) -> None:
    authority = Certificates(tmp_path)
    certificate, key = authority.issue("server")
    own, own_key = authority.issue("client")
    context = server_context(TlsSettings(cert_file=certificate, key_file=key, ca_file=authority.authority))

    with HttpSink(tls=context) as peer:
        config = TlsConfig(
            ca=Path(authority.authority).read_text(),
            cert=Path(own).read_text(),
            key=Secret(Path(own_key).read_text()),
        )
        url = f"https://127.0.0.1:{peer.port}/"
        http = Client(HttpClient(tls_config=config), url, clock=FixedClock(), environment={}, timeout=5)
        assert status(http.send(GET)) == 200
        http.close()


def test_a_user_in_the_url_is_sent_as_basic_authentication_and_not_shown(sink: HttpSink) -> None:
    url = f"http://u:p%40ss@127.0.0.1:{sink.port}/metrics"
    http = Client(HttpClient(), url, clock=FixedClock(), environment={}, timeout=5)
    assert status(http.send(GET)) == 200
    assert sink.requests[0].headers["authorization"] == "Basic dTpwQHNz"
    assert without_user(url) == f"http://127.0.0.1:{sink.port}/metrics"
