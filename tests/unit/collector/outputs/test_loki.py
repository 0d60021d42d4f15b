"""The loki output against a server with Loki's limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.collector.outputs.surroundings import Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.network.authorization import BasicSettings, BearerSettings
from pillion.collector.outputs.loki import LokiSettings, build, dialect
from pillion.collector.outputs.lokipush import push
from pillion.collector.plugin import Again, Delivered, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, as_texts
from pillion.testing.destinations.loki import LokiServer
from pillion.testing.destinations.peer import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIME = 1_700_000_000_123_456_789
LINES = Lines(data=b'first "one"\nsecond\n', time=TIME)
RECORD = {
    "log": "hello", "stream": "stdout", "n": 1, "f": 1.5, "w": 2.0, "ok": True, "none": None, "list": ["a", 1],
    "kubernetes": {"pod_name": "p-1", "labels": {"app.io/name": "x", "9lives": "y", "no": 3}},
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[LokiServer]:
    with LokiServer() as peer:
        yield peer


def deliver(server: LokiServer, content: Content, tag: str = "app", **settings: Any) -> Verdict:
    output = build(LokiSettings(host=server.host, port=server.port, **settings), Surroundings())
    try:
        return output.deliver(tag, content)
    finally:
        output.close()


def streams(content: Content, tag: str = "app", folder: Path | None = None, **settings: Any) -> list[Any]:
    speech = dialect(LokiSettings(**settings), folder or Surroundings().folder)
    found: list[Any] = json.loads(push(speech.shape, tag, content).body())["streams"]
    return found


def one(**settings: Any) -> tuple[dict[str, str], list[Any]]:
    [stream] = streams(Records(times=[TIME], bodies=[RECORD]), **settings)
    [value] = stream["values"]
    return stream["stream"], value


def test_a_push_is_streams_of_times_and_lines() -> None:
    assert streams(LINES) == [
        {
            "stream": {"job": "fluent-bit"},
            "values": [[str(TIME), '{"log":"first \\"one\\""}'], [str(TIME), '{"log":"second"}']],
        }
    ]


@pytest.mark.parametrize(
    ("settings", "labels", "gone"),
    [
        ({"labels": ("job=agent", "env=test")}, {"job": "agent", "env": "test"}, []),
        ({"labels": ("job=$TAG",)}, {"job": "app"}, []),
        ({"labels": ("$stream", "pod=$kubernetes['pod_name']", "$absent")},
         {"stream": "stdout", "pod": "p-1"}, ["stream"]),
        ({"label_keys": ("$stream", "$kubernetes['labels']['app.io/name']")},
         {"stream": "stdout", "kubernetes_labels_app_io_name": "x"}, ["stream"]),
        ({"auto_kubernetes_labels": True}, {"app_io_name": "x", "_9lives": "y"}, []),
        ({"remove_keys": ("stream", "$n", "absent")}, {"job": "fluent-bit"}, ["stream", "n"]),
    ],
)  # fmt: skip
def test_labels_come_from_keys_and_leave_the_line(
    settings: dict[str, Any], labels: dict[str, str], gone: list[str]
) -> None:
    found, (_, line) = one(**settings)
    assert found == labels
    left = json.loads(line)
    assert [key for key in RECORD if key not in left] == gone


def test_a_nested_label_leaves_its_neighbours() -> None:
    _, (_, line) = one(labels=("pod=$kubernetes['pod_name']",))
    assert json.loads(line)["kubernetes"] == {"labels": RECORD["kubernetes"]["labels"]}  # type: ignore[index]
    assert RECORD["kubernetes"]["pod_name"] == "p-1", "others have the same record"  # type: ignore[index]


def test_labels_can_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text('{"stream": "io", "kubernetes": {"pod_name": "pod"}}')
    [stream] = streams(Records(times=[TIME], bodies=[RECORD]), folder=tmp_path, label_map_path="map.json")
    assert stream["stream"] == {"io": "stdout", "pod": "p-1"}


def test_records_with_the_same_labels_share_a_stream() -> None:
    bodies = [{"app": "a", "n": 1}, {"app": "b", "n": 2}, {"app": "a", "n": 3}]
    found = streams(Records(times=[1, 2, 3], bodies=bodies), labels=("$app",))
    assert [(stream["stream"]["app"], [time for time, _ in stream["values"]]) for stream in found] == [
        ("a", ["1", "3"]), ("b", ["2"]),
    ]  # fmt: skip


def test_structured_metadata_is_text() -> None:
    _, (_, line, metadata) = one(
        structured_metadata=("$n", "trace=$absent", "pod=$kubernetes['pod_name']"),
        structured_metadata_map_keys=("$kubernetes['labels']",),
    )
    assert metadata == {"app_io_name": "x", "_9lives": "y", "no": "3", "n": "1", "pod": "p-1"}
    assert "n" not in json.loads(line)
    assert json.loads(line)["kubernetes"] == {}


@pytest.mark.parametrize(
    ("body", "settings", "line"),
    [
        ({"log": 'a "b"'}, {}, '{"log":"a \\"b\\""}'),
        ({"log": 'a "b"'}, {"drop_single_key": "on"}, '"a \\"b\\""'),
        ({"log": 'a "b"'}, {"drop_single_key": "raw"}, 'a "b"'),
        ({"log": {"x": 1}}, {"drop_single_key": "raw"}, '{"x":1}'),
        ({"log": "a", "b": 1}, {"drop_single_key": "raw"}, '{"log":"a","b":1}'),
        ({"log": 'a "b"'}, {"line_format": "key_value"}, 'log="a "b""'),
        ({"log": "a"}, {"line_format": "key_value", "drop_single_key": "on"}, "a"),
        ({"log": [1]}, {"line_format": "key_value", "drop_single_key": "on"}, '"[1]"'),
        (
            {
                "s": "x",
                "n": -1,
                "f": 1.25,
                "w": 2.0,
                "t": True,
                "z": None,
                "l": ["a", 1],
                "m": {"k": "v", "q": 1},
            },
            {"line_format": "key_value"},
            's="x" n=-1 f=1.25 w=2.0 t=true z=null l="["a" 1]" m="map[k:"v" q:1]"',
        ),
    ],
)
def test_a_line_is_the_record_in_the_format_asked_for(
    body: dict[str, Any], settings: dict[str, Any], line: str
) -> None:
    [stream] = streams(Records(times=[TIME], bodies=[body]), **settings)
    assert stream["values"] == [[str(TIME), line]]


bodies = st.lists(
    st.dictionaries(st.text(max_size=3), st.none() | st.integers(-9, 9) | st.text(max_size=4), max_size=3),
    min_size=1,
    max_size=4,
)


@given(bodies)
def test_the_form_of_a_chunk_makes_no_difference(found: list[dict[str, Any]]) -> None:
    records = Records(times=list(range(1, len(found) + 1)), bodies=found)
    for settings in ({}, {"drop_single_key": "raw"}, {"labels": ("$a",)}):
        assert streams(records, **settings) == streams(as_texts(records), **settings)  # type: ignore[arg-type]


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1), min_size=1
    )
)
def test_lines_are_the_same_as_the_records_they_stand_for(lines: list[str]) -> None:
    content = Lines(data="".join(f"{line}\n" for line in lines).encode(), time=TIME)
    for settings in ({}, {"drop_single_key": "raw"}, {"drop_single_key": "on"}):
        assert streams(content, **settings) == streams(as_records(content), **settings)  # type: ignore[arg-type]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_lines_arrive(server: LokiServer) -> None:
    assert (
        deliver(server, LINES, labels=("job=agent",), drop_single_key="raw", compress="gzip") == Delivered()
    )
    assert server.lines == ['first "one"', "second"]
    assert server.labels() == [{"job": "agent"}]


def test_a_line_over_the_limit_does_not_hold_up_others(server: LokiServer) -> None:
    long = b"x" * (300 << 10)
    verdict = deliver(server, Lines(data=b"a\n" + long + b"\nb\n", time=TIME), drop_single_key="raw")
    assert verdict == Delivered(
        rejected=(
            ("its line is longer than 262144 bytes (max_line_size)", Lines(data=long + b"\n", time=TIME)),
        )
    )
    assert server.lines == ["a", "b"]


def test_only_long_lines_are_nothing_to_send(server: LokiServer) -> None:
    verdict = deliver(server, Lines(data=b"xxxxx\n", time=TIME), max_line_size=4, drop_single_key="raw")
    assert isinstance(verdict, Delivered)
    assert len(verdict.rejected) == 1
    assert server.requests == []


def test_each_tenant_has_a_request_of_its_own(server: LokiServer) -> None:
    server.tenants = True
    bodies = [{"who": "a", "n": 1}, {"n": 2}, {"who": "a", "n": 3}]
    content = Records(times=[1, 2, 3], bodies=bodies)
    assert deliver(server, content, tenant_id="default", tenant_id_key="$who") == Delivered()
    assert [request.headers["x-scope-orgid"] for request in server.requests] == ["a", "default"]
    assert sorted(tenant for tenant, _ in server.streams) == ["a", "default"]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(status=429, headers=(("Retry-After", "2"),)), Again(reason="HTTP 429", after=2.0)),
        (Reply(status=500, body=b"rpc error: grpc: received message larger than max (5 vs. 4)"),
         TooLarge(reason="HTTP 500: rpc error: grpc: received message larger than max (5 vs. 4)")),
        (Reply(status=413), TooLarge(reason="HTTP 413")),
        (Reply(status=503), Again(reason="HTTP 503")),
        (Reply(status=400, body=b"entry too far behind"), Refused(reason="HTTP 400: entry too far behind")),
        (Reply(status=401, body=b"no org id"), Refused(reason="HTTP 401: no org id")),
        (Reply(status=260), Refused(reason="HTTP 260: ingestion is blocked for this tenant")),
    ],
)  # fmt: skip
def test_an_answer_is_a_verdict(server: LokiServer, reply: Reply, verdict: Verdict) -> None:
    server.plan(reply)
    assert deliver(server, LINES) == verdict


def test_who_we_are(server: LokiServer) -> None:
    deliver(server, LINES, basic=BasicSettings(user="u", passwd="p"), bearer=BearerSettings(token="t"))
    deliver(server, LINES, bearer=BearerSettings(token="t"), header=(("X-Extra", "1"),))
    assert [request.headers["authorization"] for request in server.requests] == ["Basic dTpw", "Bearer t"]
    assert server.requests[1].headers["x-extra"] == "1"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"labels": ("job",)}, "f:1: labels: 'job' is not NAME=VALUE"),
        ({"labels": ("$1x",)}, "f:1: labels: '$1x': the name of a key does not begin with a digit"),
        ({"label_keys": ("stream",)}, "f:1: label_keys: stream does not begin with $"),
        ({"drop_single_key": "maybe"}, "f:1: drop_single_key: maybe is not on, off or raw"),
        ({"label_map_path": "no.json"}, "f:1: label_map_path: cannot read /nowhere/no.json: No such file or directory"),
    ],
)  # fmt: skip
def test_keys_that_make_no_sense_are_named(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        build(LokiSettings(place="f:1", **settings), Surroundings())
    assert str(raised.value) == said


def test_texts_with_spaces_keep_them(server: LokiServer) -> None:
    deliver(server, Texts(data=b'{"a": 1}\n', times=TIME))
    assert server.lines == ['{"a": 1}']
