"""What the http output sends, and what it makes of answers."""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING

import pytest
from tests.unit.collector.outputs.surroundings import NOW, StandingClock, Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.network.authorization import BasicSettings, BearerSettings
from pillion.collector.network.oauth2 import OAuth2Settings
from pillion.collector.outputs.http import HttpSettings, build
from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.testing.destinations.peer import Reply, Reset, Silence, json_reply
from pillion.testing.destinations.sink import HttpSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIME = 1_700_000_000_123_456_789
LINES = Lines(data=b'first "line"\nsecond\n', time=TIME)
TEXTS = Texts(data=b'{"level":"info", "n": 1}\n{}\n', times=[TIME, TIME + 1_000_000_000])
RECORDS = Records(times=[TIME], bodies=[{"log": "x", "k": {"a": [1, None]}}])


@pytest.fixture
def sink() -> Iterator[HttpSink]:
    with HttpSink() as peer:
        yield peer


def deliver(sink: HttpSink, content: Content, tag: str = "app", **settings: object) -> Verdict:
    output = build(HttpSettings(host=sink.host, port=sink.port, **settings), Surroundings())  # type: ignore[arg-type]
    try:
        return output.deliver(tag, content)
    finally:
        output.close()


DATE = 1700000000.123457


@pytest.mark.parametrize("content", [LINES, TEXTS, RECORDS], ids=["lines", "texts", "records"])
def test_the_three_json_formats_hold_the_same_records(sink: HttpSink, content: Content) -> None:
    for format_ in ("json", "json_lines", "json_stream"):
        assert deliver(sink, content, format=format_) == Delivered()
    array, lines, stream = sink.bodies
    records = json.loads(array)
    assert [json.loads(line) for line in lines.splitlines()] == records
    assert stream == lines.replace(b"\n", b"")
    assert next(iter(records[0].items())) == ("date", DATE)
    assert [request.headers["content-type"] for request in sink.accepted] == [
        "application/json", "application/x-ndjson", "application/json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "body"),
    [
        ({}, b'[{"date":1700000000.123457,"log":"first \\"line\\""},{"date":1700000000.123457,"log":"second"}]'),
        ({"json_date_key": "time", "json_date_format": "iso8601"}, b'[{"time":"2023-11-14T22:13:20.123456Z","log":"first \\"line\\""},{"time":"2023-11-14T22:13:20.123456Z","log":"second"}]'),  # noqa: E501 - as it is on the wire
        ({"json_date_key": "false"}, b'[{"log":"first \\"line\\""},{"log":"second"}]'),
    ],
)  # fmt: skip
def test_the_date_is_where_and_how_it_was_asked_for(
    sink: HttpSink, settings: dict[str, str], body: bytes
) -> None:
    deliver(sink, LINES, **settings)
    assert sink.bodies == [body]


def test_msgpack_is_fluents_own_events(sink: HttpSink) -> None:
    import msgpack

    deliver(sink, RECORDS, format="msgpack")
    [[when, metadata], body] = msgpack.unpackb(sink.bodies[0])
    assert when.code == 0
    assert int.from_bytes(when.data[:4], "big") == 1_700_000_000
    assert metadata == {}
    assert body == {"log": "x", "k": {"a": [1, None]}}


@pytest.mark.parametrize("compress", ["gzip", "zstd", "snappy"])
def test_a_body_can_be_packed(sink: HttpSink, compress: str) -> None:
    many = Lines(data=b"the same line\n" * 1000, time=TIME)
    deliver(sink, many, compress=compress, format="json_lines")
    [request] = sink.accepted
    assert request.headers["content-encoding"] == compress
    assert request.body.count(b"\n") == 1000
    assert request.wire_bytes < len(request.body) / 10


def test_headers_are_the_users_too(sink: HttpSink) -> None:
    deliver(
        sink, LINES, tag="kube.app", header_tag="X-Tag", header=(("X-A", "1 2"), ("X-Empty",)), uri="in?k=v"
    )
    [request] = sink.accepted
    assert request.headers["x-tag"] == "kube.app"
    assert request.headers["x-a"] == "1 2"
    assert request.headers["x-empty"] == ""
    assert (request.path, request.query) == ("/in", "k=v")


def test_a_tag_cannot_smuggle_a_header(sink: HttpSink) -> None:
    deliver(sink, LINES, tag="a\r\nX-Evil: 1", header_tag="X-Tag")
    assert "x-tag" not in sink.accepted[0].headers
    assert "x-evil" not in sink.accepted[0].headers


def test_without_duplicates_the_last_header_counts(sink: HttpSink) -> None:
    header = (("content-type", "text/x"),)
    deliver(sink, LINES, header=header, allow_duplicated_headers=False)
    assert sink.accepted[0].headers["content-type"] == "text/x"


def test_put_is_possible(sink: HttpSink) -> None:
    deliver(sink, LINES, http_method="PUT")
    assert sink.accepted[0].method == "PUT"


# ── one request for each record ──────────────────────────────────────────────────────────────────────────────────────
def test_a_record_can_be_a_request_of_its_own(sink: HttpSink) -> None:
    bodies = [
        {"data": "one", "http": {"Content-Type": "text/plain", "X-N": "1", "X-Bad": "a\nb", "X-Int": 3}},
        {"data": b"two", "http": {}},
        {"data": 3, "http": {}},
        {"other": 1},
    ]
    content = Records(times=[TIME] * 4, bodies=bodies)
    verdict = deliver(sink, content, body_key="$data", headers_key="$http")
    assert sink.bodies == [b"one", b"two"]
    assert sink.accepted[0].headers["content-type"] == "text/plain"
    assert sink.accepted[0].headers["x-n"] == "1"
    assert {"x-bad", "x-int"} & set(sink.accepted[0].headers) == set()
    assert isinstance(verdict, Delivered)
    assert [reason for reason, _ in verdict.rejected] == [
        "it has no body in $data or no headers in $http"
    ] * 2


def test_what_is_left_of_requests_of_their_own_is_what_was_not_sent(sink: HttpSink) -> None:
    sink.plan(Reply(), Reply(status=503))
    content = Records(times=[1, 2, 3], bodies=[{"data": str(n), "http": {}} for n in (1, 2, 3)])
    verdict = deliver(sink, content, body_key="$data", headers_key="$http")
    assert isinstance(verdict, Again)
    assert verdict.remaining == Records(times=[2, 3], bodies=content.bodies[1:])


# ── GELF ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_gelf_flattens_what_graylog_cannot_hold(sink: HttpSink) -> None:
    body = {
        "msg": "hello", "sev": "warning", "who": "node", "id": 7, "odd key!": True, "nothing": None, "f": 1.5,
        "map": {"a": {"b": 1}, "c": None}, "list": ["x", 1, None, {"k": "v", "m": {"n": 2}}, [True]],
    }  # fmt: skip
    deliver(
        sink, Records(times=[TIME], bodies=[body]), format="gelf", gelf_short_message_key="msg",
        gelf_level_key="sev", gelf_host_key="who",
    )  # fmt: skip
    assert json.loads(sink.bodies[0]) == {
        "version": "1.1", "short_message": "hello", "level": 4, "host": "node", "_odd_key_": "true", "_f": 1.5,
        "_map_a_b": 1, "_map_c": None, "_list": "x, 1, null, k=v m_n=2, true", "timestamp": 1700000000.123,
    }  # fmt: skip
    assert sink.bodies[0].startswith(b'{"version":"1.1", "short_message":"hello"')


def test_a_record_that_is_no_gelf_message_does_not_hold_up_others(sink: HttpSink) -> None:
    good, bad = {"short_message": "x"}, {"log": "y"}
    verdict = deliver(sink, Records(times=[1, 2], bodies=[bad, good]), format="gelf")
    assert isinstance(verdict, Delivered)
    [(reason, rejected)] = verdict.rejected
    assert reason.startswith("it is no GELF message: it has no short_message")
    assert rejected == Records(times=[1], bodies=[bad])
    assert len(sink.bodies) == 1


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(status=200), Delivered()),
        (Reply(status=204), Delivered()),
        (Reply(status=500, body=b"oh\n no"), Again(reason="HTTP 500: oh no")),
        (Reply(status=503, headers=(("Retry-After", "7"),)), Again(reason="HTTP 503", after=7.0)),
        (
            Reply(status=429, headers=(("Retry-After", "Fri, 09 Jan 2026 23:07:10 GMT"),)),
            Again(reason="HTTP 429", after=30.0),
        ),
        (Reply(status=429, headers=(("Retry-After", "soon"),)), Again(reason="HTTP 429")),
        (Reply(status=408), Again(reason="HTTP 408")),
        (Reply(status=302), Again(reason="HTTP 302")),
        (Reply(status=413), TooLarge(reason="HTTP 413")),
        (Reply(status=400, body=b"bad"), Refused(reason="HTTP 400: bad")),
        (Reply(status=401), Refused(reason="HTTP 401")),
        (Reply(status=404), Refused(reason="HTTP 404")),
    ],
)
def test_an_answer_is_a_verdict(sink: HttpSink, reply: Reply, verdict: Verdict) -> None:
    sink.plan(reply)
    assert deliver(sink, LINES) == verdict


def test_the_servers_words_can_be_left_out(sink: HttpSink) -> None:
    sink.plan(Reply(status=500, body=b"your record was ..."))
    assert deliver(sink, LINES, log_response_payload=False) == Again(reason="HTTP 500")


def test_a_server_that_is_gone_is_asked_again(sink: HttpSink) -> None:
    sink.plan(Reset())
    verdict = deliver(sink, LINES)
    assert isinstance(verdict, Again)
    assert verdict.reason.endswith("closed the connection before it answered")
    assert verdict.remaining is None or verdict.remaining == LINES


def test_interrupt_ends_a_delivery(sink: HttpSink) -> None:
    sink.plan(Silence())
    output = build(HttpSettings(host=sink.host, port=sink.port), Surroundings())
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(output.deliver("app", LINES)))
    thread.start()
    pause = threading.Event()
    while not sink.requests:
        pause.wait(0.005)
    output.interrupt()
    thread.join(timeout=10)
    assert isinstance(verdicts[0], Again)
    output.close()


# ── who we are ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_basic_and_bearer(sink: HttpSink) -> None:
    deliver(sink, LINES, basic=BasicSettings(user="me", passwd="pässword"))
    deliver(sink, LINES, bearer=BearerSettings(token="t0ken"))
    assert [request.headers["authorization"] for request in sink.accepted] == [
        "Basic bWU6cMOkc3N3b3Jk", "Bearer t0ken",
    ]  # fmt: skip


def test_a_credential_file_is_read_again_when_it_changes(sink: HttpSink, tmp_path: Path) -> None:
    file = tmp_path / "token"
    settings = HttpSettings(host=sink.host, port=sink.port, bearer=BearerSettings(token_file="token"))
    output = build(settings, Surroundings(tmp_path))
    verdict = output.deliver("app", LINES)
    assert isinstance(verdict, Again)
    assert verdict.reason == f"cannot read the credential in {file}: No such file or directory"
    for text in ("old\n", "new and longer\n"):
        file.write_text(text)
        output.deliver("app", LINES)
    file.unlink()
    output.deliver("app", LINES)
    output.close()
    assert [request.headers["authorization"] for request in sink.accepted] == [
        "Bearer old", "Bearer new and longer", "Bearer new and longer",
    ]  # fmt: skip


def test_credentials_are_never_shown(sink: HttpSink, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sink.plan(Reply(status=401, body=b"who are you"))
    settings = HttpSettings(
        host=sink.host,
        port=sink.port,
        basic=BasicSettings(user="me", passwd="hunter2"),
        header=(("X-Key", "hunter3"),),
        oauth2=OAuth2Settings(client_secret="hunter4"),
    )
    output = build(settings, Surroundings())
    verdict = output.deliver("app", LINES)
    assert "hunter" not in caplog.text + repr(settings) + repr(verdict)


def test_oauth2_tokens_are_asked_for_and_renewed(sink: HttpSink) -> None:
    with HttpSink() as issuer:
        issuer.plan(*[json_reply({"access_token": f"token-{n}", "expires_in": 100}) for n in (1, 2)])
        settings = HttpSettings(
            host=sink.host,
            port=sink.port,
            oauth2=OAuth2Settings(
                enable=True, token_url=f"http://127.0.0.1:{issuer.port}/token", client_id="us", client_secret="s&",
                scope="logs", refresh_skew_seconds=60,
            ),
        )  # fmt: skip
        surroundings = Surroundings()
        clock = StandingClock()
        surroundings.clock = clock
        output = build(settings, surroundings)
        for later in (0, 39, 41):
            clock.time = NOW + later
            assert output.deliver("app", LINES) == Delivered()
        output.close()
    assert [request.headers["authorization"] for request in sink.accepted] == [
        "Bearer token-1", "Bearer token-1", "Bearer token-2",
    ]  # fmt: skip
    asked = issuer.requests[0]
    assert (asked.path, asked.body) == ("/token", b"grant_type=client_credentials&scope=logs")
    assert asked.headers["authorization"] == "Basic dXM6cyUyNg=="


def test_no_token_is_no_delivery(sink: HttpSink) -> None:
    with HttpSink() as issuer:
        issuer.plan(Reply(status=401, body=b"invalid_client"))
        oauth2 = OAuth2Settings(
            enable=True, token_url=f"http://127.0.0.1:{issuer.port}", client_id="us", client_secret="s",
            auth_method="post",
        )  # fmt: skip
        verdict = deliver(sink, LINES, oauth2=oauth2)
    assert isinstance(verdict, Again)
    assert verdict.reason == "cannot get an OAuth 2.0 token: HTTP 401: invalid_client"
    assert sink.accepted == []
    assert issuer.requests[0].body == b"grant_type=client_credentials&client_id=us&client_secret=s"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (HttpSettings(place="f:3", body_key="$a"), "f:3: body_key: headers_key is needed too"),
        (HttpSettings(place="f:3", headers_key="$a"), "f:3: headers_key: body_key is needed too"),
        (HttpSettings(place="f:3", proxy="ftp://x"), "f:3: proxy: it is not http://HOST:PORT"),
        (HttpSettings(place="f:3", oauth2=OAuth2Settings(enable=True, client_id="x", token_url="http://x")), "f:3: oauth2.enable: needs oauth2.client_secret"),  # noqa: E501
    ],
)  # fmt: skip
def test_keys_that_do_not_go_together_are_named(settings: HttpSettings, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(settings, Surroundings())
    assert str(raised.value) == said


def test_the_environment_names_a_proxy(sink: HttpSink) -> None:
    settings = HttpSettings(host="logs.example.com", port=8080)
    environment = {"HTTP_PROXY": f"http://127.0.0.1:{sink.port}"}
    for extra in ({}, {"NO_PROXY": "other.com,logs.example.com:80"}):
        output = build(settings, Surroundings(environment=environment | extra))
        assert output.deliver("app", LINES) == Delivered()
        output.close()
    assert [request.path for request in sink.accepted] == ["http://logs.example.com:8080/"] * 2
