"""CloudWatch Logs: events, batches within its limits, answers. (tests/integration speaks to a server.)"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.collector.outputs.surroundings import Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.outputs.cloudwatch import CloudwatchSettings, address, build, naming
from pillion.collector.outputs.putlogevents import (
    LONGEST_SPAN,
    MOST_BYTES,
    MOST_EVENTS,
    OVERHEAD,
    Batch,
    Event,
    Stream,
    batches,
    events,
    judge_put,
    put_request,
)
from pillion.collector.plugin import Again, Delivered, Refused, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, as_texts
from pillion.http.message import Answer
from pillion.testing.destinations.peer import HttpPeer, Received, Reply, json_reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = 1_700_000_000_123_456_789
STREAM = Stream("group", "stream")
LINES = Lines(data=b'first "one"\nsecond\n', time=TIME)
NOW = 0.0


def messages(content: Content, log_key: str = "") -> list[str]:
    return [json.loads(b'"' + event.message + b'"') for event in events(content, log_key).found]


def test_a_message_is_the_record_or_one_field_of_it() -> None:
    assert messages(LINES) == ['{"log":"first \\"one\\""}', '{"log":"second"}']
    assert messages(LINES, "log") == ['first "one"', "second"]
    records = Records(times=[TIME] * 4, bodies=[{"m": {"a": 1}}, {"m": 12}, {"m": ""}, {"x": "ä"}])
    assert messages(records, "m") == ['{"a":1}', "12"]
    assert events(records, "m").rejected == [("it has no m (log_key)", 3)]


def test_an_event_that_is_too_long_cannot_be_one() -> None:
    longest = MOST_BYTES - OVERHEAD
    content = Lines(data=b"x" * longest + b"\n" + b"x" * (longest + 1) + b"\n", time=TIME)
    found = events(content, "log")
    assert [event.number for event in found.found] == [0]
    assert found.rejected == [(f"it is longer than {longest} bytes", 1)]


@pytest.mark.parametrize("log_key", ["", "a"])
def test_the_form_of_a_chunk_makes_no_difference(log_key: str) -> None:
    for content in (LINES, Texts(data=b'{"a":"\xc3\xa9"}\n{"a":[1]}\n', times=[TIME, TIME + 10**9])):
        forms = [content, as_texts(content), as_records(content)]
        assert (
            len({repr([(e.number, e.time, e.size) for e in events(form, log_key).found]) for form in forms})
            == 1
        )


sizes = st.integers(1, MOST_BYTES - OVERHEAD)


@given(
    st.lists(
        st.tuples(st.integers(0, 3 * LONGEST_SPAN), sizes, st.sampled_from("ab")), min_size=1, max_size=40
    )
)
def test_every_batch_is_within_the_limits(found: list[tuple[int, int, str]]) -> None:
    made = batches(
        [Event(number, time, b"", size) for number, (time, size, _) in enumerate(found)],
        [Stream("g", name) for _, _, name in found],
    )
    seen = []
    for batch in made:
        times = [event.time for event in batch.events]
        assert times == sorted(times)
        assert times[-1] - times[0] < LONGEST_SPAN
        assert sum(event.size + OVERHEAD for event in batch.events) <= MOST_BYTES
        assert {found[event.number][2] for event in batch.events} == {batch.stream.name}
        seen += [event.number for event in batch.events]
    assert sorted(seen) == list(range(len(found)))


def test_a_batch_has_ten_thousand_events_at_most() -> None:
    made = batches(
        [Event(number, 0, b"x", 1) for number in range(MOST_EVENTS + 1)], [STREAM] * (MOST_EVENTS + 1)
    )
    assert [len(batch.events) for batch in made] == [MOST_EVENTS, 1]


def test_a_request_names_what_it_wants() -> None:
    [batch] = batches(events(LINES, "log").found, [STREAM] * 2)
    request = put_request(batch, "json/emf")
    assert dict(request.headers) == {
        "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Logs_20140328.PutLogEvents",
        "x-amzn-logs-format": "json/emf",
    }  # fmt: skip
    assert json.loads(request.body) == {
        "logGroupName": "group",
        "logStreamName": "stream",
        "logEvents": [
            {"timestamp": 1700000000123, "message": 'first "one"'}, {"timestamp": 1700000000123, "message": "second"},
        ],
    }  # fmt: skip


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def judged(status: int, said: Any = None) -> Verdict:
    content = Texts(data=b'{"n":1}\n{"n":2}\n{"n":3}\n', times=[3 * 10**6, 1 * 10**6, 2 * 10**6])
    [batch] = batches(events(content, "").found, [STREAM] * 3)
    body = b"" if said is None else json.dumps(said).encode()
    return judge_put(batch, content, Answer(status=status, body=body), NOW)


def part(*numbers: int) -> Texts:
    data = b"".join(b'{"n":%d}\n' % number for number in numbers)
    return Texts(data=data, times=[{1: 3, 2: 1, 3: 2}[number] * 10**6 for number in numbers])


OLD = "CloudWatch: older than 14 days or than the group's retention"
NEW = "CloudWatch: more than 2 hours in the future"


@pytest.mark.parametrize(
    ("info", "rejected"),
    [
        (None, ()),
        ({"tooOldLogEventEndIndex": 1}, ((OLD, part(2)),)),
        ({"expiredLogEventEndIndex": 2}, ((OLD, part(2, 3)),)),
        ({"tooNewLogEventStartIndex": 2}, ((NEW, part(1)),)),
        ({"tooNewLogEventStartIndex": 0}, ((NEW, part(1, 2, 3)),)),
        ({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2}, ((OLD, part(2)), (NEW, part(1)))),
    ],
)
def test_events_that_are_too_old_or_too_new_are_known_by_their_place(info: Any, rejected: Any) -> None:
    """Places are those in the batch, which is in the order of times."""
    assert judged(200, {"nextSequenceToken": "x", "rejectedLogEventsInfo": info}) == Delivered(
        rejected=rejected
    )


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (200, None, Delivered()),
        (400, {"__type": "ThrottlingException", "message": "Rate exceeded"},
         Again(reason="HTTP 400: ThrottlingException: Rate exceeded")),
        (400, {"__type": "com.amazonaws.logs#ServiceUnavailableException"},
         Again(reason="HTTP 400: ServiceUnavailableException")),
        (400, {"__type": "ExpiredTokenException", "Message": "expired"},
         Again(reason="HTTP 400: ExpiredTokenException: expired")),
        (500, {"__type": "InternalFailure"}, Again(reason="HTTP 500: InternalFailure")),
        (400, {"__type": "DataAlreadyAcceptedException"}, Delivered()),
        (400, {"__type": "InvalidParameterException", "message": "no"},
         Refused(reason="HTTP 400: InvalidParameterException: no")),
    ],
)  # fmt: skip
def test_an_exception_is_a_verdict(status: int, said: Any, verdict: Verdict) -> None:
    assert judged(status, said) == verdict


# ── the output ───────────────────────────────────────────────────────────────────────────────────────────────────────
class LogsServer(HttpPeer):
    """PutLogEvents fails for streams that are named in `problems`."""

    def __init__(self) -> None:
        super().__init__()
        self.problems: dict[str, Reply] = {}
        self.messages: dict[str, list[str]] = {}

    def answer(self, request: Received) -> Reply:
        said = json.loads(request.body)
        name = said["logStreamName"]
        if name in self.problems:
            return self.problems[name]
        self.messages.setdefault(name, []).extend(event["message"] for event in said["logEvents"])
        return json_reply({})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogsServer]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SECRET")
    with LogsServer() as peer:
        yield peer


def deliver(server: LogsServer, content: Content, **settings: Any) -> Verdict:
    settings = {"region": "eu-west-1", "log_group_name": "g", "log_stream_prefix": "p.", **settings}
    output = build(CloudwatchSettings(endpoint=f"http://127.0.0.1:{server.port}", **settings), Surroundings())
    try:
        return output.deliver("app", content)
    finally:
        output.close()


def test_requests_are_signed(server: LogsServer) -> None:
    assert deliver(server, LINES, log_key="log") == Delivered()
    assert server.messages == {"p.app": ['first "one"', "second"]}
    [request] = server.requests
    signature = request.headers["authorization"]
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "/eu-west-1/logs/aws4_request" in signature
    assert "SECRET" not in signature
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


def test_what_was_not_sent_remains(server: LogsServer) -> None:
    server.problems["b"] = Reply(status=503)
    bodies = [{"s": name, "n": number} for number, name in enumerate("abac")]
    content = Records(times=[TIME] * 4, bodies=bodies)
    verdict = deliver(server, content, log_stream_template="$s")
    assert verdict == Again(
        reason="HTTP 503", remaining=Records(times=[TIME] * 2, bodies=[bodies[1], bodies[3]])
    )
    assert list(server.messages) == ["a"]


def test_what_is_refused_does_not_hold_up_others(server: LogsServer) -> None:
    refusal = {"__type": "InvalidParameterException", "message": "no"}
    server.problems["b"] = json_reply(refusal, status=400)
    bodies = [{"s": name} for name in "abc"]
    verdict = deliver(server, Records(times=[TIME] * 3, bodies=bodies), log_stream_template="$s")
    assert verdict == Delivered(
        rejected=(("HTTP 400: InvalidParameterException: no", Records(times=[TIME], bodies=[bodies[1]])),)
    )
    assert list(server.messages) == ["a", "c"]


def test_no_credentials_is_later(server: LogsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    verdict = deliver(server, LINES)
    assert isinstance(verdict, Again)
    assert verdict.reason.startswith("cannot find AWS credentials: set AWS_ACCESS_KEY_ID")


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_streams_are_named_by_templates_where_records_have_the_fields() -> None:
    settings = CloudwatchSettings(
        region="r", log_group_name="g", log_stream_prefix="p-", log_group_template="app.$team",
        log_stream_template="$pod.$TAG[0]",
    )  # fmt: skip
    records = Records(times=[1, 2], bodies=[{"team": "red", "pod": "x"}, {"pod": "y"}])
    assert naming(settings).streams("a.b", records) == [Stream("app.red", "x.a"), Stream("g", "y.a")]
    plain = CloudwatchSettings(region="r", log_group_name="g", log_stream_prefix="p-")
    assert naming(plain).streams("a.b", records) == [Stream("g", "p-a.b")] * 2


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"region": "eu-west-1"}, ("https", "logs.eu-west-1.amazonaws.com", 443)),
        ({"region": "cn-north-1"}, ("https", "logs.cn-north-1.amazonaws.com.cn", 443)),
        ({"endpoint": "vpce.example.com"}, ("https", "vpce.example.com", 443)),
        ({"endpoint": "http://localhost:5000"}, ("http", "localhost", 5000)),
        ({"endpoint": "https://x", "port": 8443}, ("https", "x", 8443)),
    ],
)
def test_the_service_is_where_aws_has_it_or_where_it_was_said(settings: Any, expected: Any) -> None:
    assert address(CloudwatchSettings(**settings)) == expected


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"region": "r"}, "f:1: log_group_name: it is needed"),
        ({"log_group_name": "g"}, "f:1: region: it is needed"),
        ({"region": "r", "log_group_name": "g"}, "f:1: log_stream_name: it or log_stream_prefix is needed, not both"),
        ({"region": "r", "log_group_name": "g", "log_stream_name": "s", "profile": "none"},
         "f:1: AWS: The config profile (none) could not be found"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(settings: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(ConfigurationError) as raised:
        build(CloudwatchSettings(place="f:1", **settings), Surroundings())
    assert str(raised.value) == said


def test_a_batch_knows_its_stream() -> None:
    assert Batch(stream=STREAM, events=[]).stream.group == "group"
