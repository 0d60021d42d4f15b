"""The datadog output against an intake with Datadog's limits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.collector.outputs.surroundings import Surroundings

from pillion.collector.configuration.failure import ConfigurationError
from pillion.collector.configuration.settings import TlsSettings
from pillion.collector.outputs.datadog import DatadogDialect, DatadogSettings, build
from pillion.collector.plugin import Again, Delivered, Refused, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.collector.records.conversion import as_records, as_texts
from pillion.testing.destinations.datadog import DatadogServer
from pillion.testing.destinations.peer import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

TIME = 1_700_000_000_123_500_000
LINES = Lines(data=b"first\nsecond\n", time=TIME)


@pytest.fixture
def server() -> Iterator[DatadogServer]:
    with DatadogServer() as peer:
        yield peer


def deliver(server: DatadogServer, content: Content, **settings: Any) -> Verdict:
    settings = {"apikey": "the-key", **settings}
    output = build(DatadogSettings(host=server.host, port=server.port, **settings), Surroundings())
    try:
        return output.deliver("app", content)
    finally:
        output.close()


def entries(content: Content, **settings: Any) -> list[Any]:
    text = DatadogDialect(settings=DatadogSettings(**settings)).entries("app", content)
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_is_a_message() -> None:
    assert entries(LINES) == [
        {"timestamp": 1700000000124, "message": "first"}, {"timestamp": 1700000000124, "message": "second"},
    ]  # fmt: skip


def test_what_the_configuration_says_is_in_every_entry() -> None:
    settings = {
        "dd_service": "agent", "dd_source": "python", "dd_tags": "env:test,a:b", "dd_hostname": "h",
        "include_tag_key": True, "json_date_key": "t",
    }  # fmt: skip
    assert entries(Texts(data=b'{"n":1}\n{}\n', times=[TIME, TIME + 10**9]), **settings) == [
        {"t": 1700000000124, "tagkey": "app", "ddsource": "python", "service": "agent", "hostname": "h",
         "ddtags": "env:test,a:b", "n": 1},
        {"t": 1700000001124, "tagkey": "app", "ddsource": "python", "service": "agent", "hostname": "h",
         "ddtags": "env:test,a:b"},
    ]  # fmt: skip


def test_what_the_record_says_itself_counts_but_for_tags() -> None:
    record = {"timestamp": "mine", "service": "own", "ddtags": "x:y", "msg": "m"}
    for content in (Records(times=[TIME], bodies=[record]), as_texts(Records(times=[TIME], bodies=[record]))):
        [entry] = entries(content, dd_service="s", dd_tags="a:b", dd_message_key="msg")
        assert entry == {"timestamp": "mine", "service": "own", "ddtags": "a:b", "message": "m"}
    text = DatadogDialect(settings=DatadogSettings()).entries(
        "app", as_texts(Records(times=[TIME], bodies=[record]))
    )
    assert text.count(b'"timestamp"') == 1


def test_facts_of_an_ecs_task_become_tags() -> None:
    record = {
        "log": "x", "container_id": "c1", "container_name": "/web", "ecs_cluster": "arn:x:cluster/prod",
        "ecs_task_definition": "web:7", "ecs_task_arn": "arn:aws:ecs:eu-west-1:1:task/abc", "container_image": "",
    }  # fmt: skip
    [entry] = entries(Records(times=[TIME], bodies=[record]), provider="ecs", dd_tags="a:b")
    assert entry == {
        "timestamp": 1700000000124,
        "message": "x",
        "container_image": "",
        "ddtags": "container_id:c1,container_name:web,cluster_name:prod,task_family:web,task_version:7,"
        "task_arn:arn:aws:ecs:eu-west-1:1:task/abc,region:eu-west-1,task_id:abc,a:b",
    }


bodies = st.lists(
    st.dictionaries(
        st.sampled_from(["log", "timestamp", "message", "ddtags", "service", "n"]),
        st.none() | st.integers(-9, 9) | st.text(max_size=4),
        max_size=4,
    ),
    min_size=1,
    max_size=4,
)


@given(bodies)
def test_the_form_of_a_chunk_makes_no_difference(found: list[dict[str, Any]]) -> None:
    records = Records(times=[TIME] * len(found), bodies=found)
    for settings in ({}, {"dd_tags": "a:b", "dd_service": "s"}):
        assert entries(records, **settings) == entries(as_texts(records), **settings)
    assert entries(LINES) == entries(as_records(LINES))


def test_entries_arrive(server: DatadogServer) -> None:
    assert deliver(server, LINES) == Delivered()
    assert [entry["message"] for entry in server.entries] == ["first", "second"]
    [request] = server.requests
    assert request.headers["content-encoding"] == "gzip"
    assert request.headers["dd-evp-origin"] == "pillion"


def test_a_request_has_a_thousand_entries_and_no_more_bytes_than_are_taken(server: DatadogServer) -> None:
    assert deliver(server, Lines(data=b"x\n" * 2500, time=TIME)) == Delivered()
    assert [len(json.loads(request.body)) for request in server.requests] == [1000, 1000, 500]
    assert (
        deliver(server, Lines(data=(b"y" * 900_000 + b"\n") * 10, time=TIME), compress="false") == Delivered()
    )
    assert all(len(request.body) <= 5_000_000 for request in server.requests)
    assert len(server.entries) == 2510


def test_what_was_not_sent_remains(server: DatadogServer) -> None:
    server.plan(Reply(status=202), Reply(status=503))
    verdict = deliver(server, Lines(data=b"x\n" * 1500, time=TIME))
    assert verdict == Again(reason="HTTP 503", remaining=Lines(data=b"x\n" * 500, time=TIME))


def test_a_log_that_datadog_would_cut_is_a_dead_letter(server: DatadogServer) -> None:
    long = Lines(data=b"z" * 1_000_000 + b"\n", time=TIME)
    verdict = deliver(server, Lines(data=b"a\n" + long.data + b"b\n", time=TIME))
    assert verdict == Delivered(
        rejected=(("it is longer than 1000000 bytes, which Datadog would cut", long),)
    )
    assert [entry["message"] for entry in server.entries] == ["a", "b"]
    assert server.cut == 0


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_later_is_later(server: DatadogServer, status: int) -> None:
    server.plan(Reply(status=status))
    assert deliver(server, LINES) == Again(reason=f"HTTP {status}")


def test_a_wrong_key_is_refused(server: DatadogServer) -> None:
    verdict = deliver(server, LINES, apikey="wrong")
    assert isinstance(verdict, Refused)
    assert verdict.reason.startswith("HTTP 403")


def test_a_key_sent_in_the_clear_is_said() -> None:
    surroundings = Surroundings()
    build(DatadogSettings(apikey="k"), surroundings).close()
    assert surroundings.notices.current == {
        "output.0: tls": "output.0 sends the API key to http-intake.logs.datadoghq.com without TLS: write `tls on`"
    }
    surroundings = Surroundings()
    build(DatadogSettings(apikey="k", site="datadoghq.eu", tls=TlsSettings(on=True)), surroundings).close()
    assert surroundings.notices.current == {}


def test_a_key_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="f:1: apikey: it is needed"):
        build(DatadogSettings(place="f:1"), Surroundings())
