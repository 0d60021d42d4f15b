"""The splunk output against an event collector."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.collector.outputs.surroundings import StandingClock, Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.network.authorization import BasicSettings
from pillion.collector.outputs.splunk import SplunkSettings, build, dialect
from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, as_texts
from pillion.testing.destinations.peer import Reply
from pillion.testing.destinations.splunk import SplunkServer

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = 1_700_000_000_123_456_789
LINES = Lines(data=b"first\nsecond\n", time=TIME)
RECORDS = Records(
    times=[TIME, TIME + 1_000_000_000],
    bodies=[{"log": "x", "k": {"host": "h1", "type": "t1", "idx": "main"}, "n": 5}, {"log": "y"}],
)


@pytest.fixture
def server() -> Iterator[SplunkServer]:
    with SplunkServer() as peer:
        yield peer


def deliver(
    server: SplunkServer, content: Content, surroundings: Surroundings | None = None, **settings: Any
) -> Verdict:
    settings = {"splunk_token": "the-token", **settings}
    output = build(
        SplunkSettings(host=server.host, port=server.port, **settings), surroundings or Surroundings()
    )
    try:
        return output.deliver("app", content)
    finally:
        output.close()


def test_a_record_is_what_is_in_event() -> None:
    assert dialect(SplunkSettings()).body("app", LINES) == (
        b'{"time":1700000000.123457,"event":{"log":"first"}}{"time":1700000000.123457,"event":{"log":"second"}}'
    )


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({"event_host": "me", "event_source": "$TAG", "event_sourcetype": "st", "event_index": "i"},
         {"host": "me", "source": "app", "sourcetype": "st", "index": "i", "event": RECORDS.bodies[0]}),
        ({"event_host": "$k['host']", "event_sourcetype": "st", "event_sourcetype_key": "$k['type']",
          "event_index": "i", "event_index_key": "$k['idx']"},
         {"host": "h1", "sourcetype": "t1", "index": "main", "event": RECORDS.bodies[0]}),
        ({"event_field": (("n", "$n"), ("none", "$absent"))}, {"fields": {"n": 5}, "event": RECORDS.bodies[0]}),
        ({"event_key": "$log"}, {"event": "x"}),
        ({"event_key": "$n"}, {"event": "5"}),
        ({"event_key": "$absent"}, {"event": RECORDS.bodies[0]}),
    ],
)  # fmt: skip
def test_what_stands_beside_the_event(settings: dict[str, Any], first: dict[str, Any]) -> None:
    body = dialect(SplunkSettings(**settings)).body("app", RECORDS).decode()
    event, _ = json.JSONDecoder().raw_decode(body)
    assert event == {"time": 1700000000.123457, **first}


def test_a_fallback_is_for_records_without_the_key() -> None:
    settings = SplunkSettings(event_index="i", event_index_key="$k['idx']", event_host="$k['host']")
    body = dialect(settings).body("app", RECORDS).decode()
    decoder = json.JSONDecoder()
    _, at = decoder.raw_decode(body)
    assert decoder.raw_decode(body, at)[0] == {"time": 1700000001.123457, "index": "i", "event": {"log": "y"}}


def test_raw_records_are_whole_events() -> None:
    assert (
        dialect(SplunkSettings(splunk_send_raw=True)).body("app", LINES)
        == b'{"log":"first"}\n{"log":"second"}\n'
    )
    keyed = SplunkSettings(splunk_send_raw=True, event_key="$log")
    assert dialect(keyed).body("app", LINES) == b'"first"\n"second"\n'


@pytest.mark.parametrize("settings", [{}, {"event_host": "a", "event_index": "b"}])
def test_the_form_of_a_chunk_makes_no_difference(settings: dict[str, Any]) -> None:
    speech = dialect(SplunkSettings(**settings))
    for content in (LINES, RECORDS, Texts(data=b'{"a":1}\n{}\n', times=[TIME, TIME + 5])):
        forms = [content, as_texts(content), as_records(content)]
        assert len({speech.body("app", form) for form in forms}) == 1


def test_events_arrive(server: SplunkServer) -> None:
    assert deliver(server, LINES, compress="gzip") == Delivered()
    assert [event["event"]["log"] for event in server.events] == ["first", "second"]


def test_only_the_invalid_event_is_rejected(server: SplunkServer) -> None:
    content = Texts(data=b'{"log":"a"}\n{}\n{"log":"c"}\n', times=TIME)
    verdict = deliver(server, content)
    reason = "HTTP 400: Event field cannot be blank"
    assert verdict == Again(
        reason=reason,
        after=0.0,
        remaining=Texts(data=b'{"log":"a"}\n{"log":"c"}\n', times=TIME),
        rejected=((reason, Texts(data=b"{}\n", times=TIME)),),
    )
    assert deliver(server, Texts(data=b"{}\n", times=TIME)) == Delivered(
        rejected=((reason, Texts(data=b"{}\n", times=TIME)),)
    )


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (
            Reply(status=503, body=b'{"text":"Server is busy","code":9}'),
            Again(reason="HTTP 503: Server is busy"),
        ),
        (Reply(status=408), Again(reason="HTTP 408")),
        (Reply(status=429), Again(reason="HTTP 429")),
        (Reply(status=413), TooLarge(reason="HTTP 413")),
        (Reply(status=400, body=b'{"text":"No data","code":5}'), Refused(reason="HTTP 400: No data")),
    ],
)
def test_an_answer_is_a_verdict(server: SplunkServer, reply: Reply, verdict: Verdict) -> None:
    server.plan(reply)
    assert deliver(server, LINES) == verdict


def test_a_wrong_token_is_refused(server: SplunkServer) -> None:
    assert deliver(server, LINES, splunk_token="wrong") == Refused(reason="HTTP 403: Invalid token")
    deliver(server, LINES, basic=BasicSettings(user="u", passwd="p"))
    assert server.requests[-1].headers["authorization"] == "Basic dTpw"


# ── acknowledgement ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_events_are_delivered_when_they_are_indexed() -> None:
    with SplunkServer(acknowledges=True, polls_until_indexed=2) as server:
        assert deliver(server, LINES, channel="c-1") == Delivered()
        assert len(server.acknowledged) == 2
        assert [request.path.rsplit("/", 1)[1] for request in server.requests] == [
            "event",
            "ack",
            "ack",
            "ack",
        ]


def test_a_channel_is_made_when_the_server_wants_one() -> None:
    with SplunkServer(acknowledges=True) as server:
        output = build(
            SplunkSettings(host=server.host, port=server.port, splunk_token="the-token"), Surroundings()
        )
        first = output.deliver("app", LINES)
        assert isinstance(first, Again)
        assert first.after == 0.0
        assert output.deliver("app", LINES) == Delivered()
        output.close()
        assert len(server.acknowledged) == 2


def test_without_acknowledgement_received_is_delivered() -> None:
    with SplunkServer(acknowledges=True) as server:
        assert deliver(server, LINES, channel="c", acknowledgement=False) == Delivered()
        assert server.acknowledged == []


def test_events_that_are_not_indexed_in_time_are_sent_again() -> None:
    with SplunkServer(acknowledges=True, polls_until_indexed=99) as server:
        verdict = deliver(server, LINES, channel="c", acknowledgement_timeout=0.0)
        assert verdict == Again(reason="received, but not indexed in time (acknowledgement_timeout)")


def test_waiting_for_the_index_can_be_interrupted() -> None:
    with SplunkServer(acknowledges=True, polls_until_indexed=10**9) as server:
        surroundings = Surroundings()
        surroundings.clock = StandingClock()
        settings = SplunkSettings(host=server.host, port=server.port, splunk_token="the-token", channel="c")
        output = build(settings, surroundings)
        verdicts: list[Verdict] = []
        thread = threading.Thread(target=lambda: verdicts.append(output.deliver("app", LINES)))
        thread.start()
        pause = threading.Event()
        while len(server.requests) < 2:
            pause.wait(0.005)
        output.interrupt()
        thread.join(timeout=10)
        assert not thread.is_alive()
        assert isinstance(verdicts[0], Again)
        assert verdicts[0].reason.startswith("interrupted")
        output.close()


def test_a_question_that_gets_no_answer_is_asked_again() -> None:
    with SplunkServer(acknowledges=True) as server:
        server.plan(
            Reply(body=b'{"text":"Success","code":0,"ackId":0}'), Reply(status=503), Reply(body=b"{}")
        )
        server._waiting["c"][0] = []
        assert deliver(server, LINES, channel="c") == Delivered()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (SplunkSettings(place="f:1"), "f:1: splunk_token: it is needed, or http_user"),
        (
            SplunkSettings(place="f:1", splunk_token="x", event_key="log"),
            "f:1: event_key: log does not begin with $",
        ),
    ],
)
def test_keys_that_make_no_sense_are_named(settings: SplunkSettings, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(settings, Surroundings())
    assert str(raised.value) == said
