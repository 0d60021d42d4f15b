"""One exam for all outputs over HTTP: whatever the other side does, records are delivered, rejected or still ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from tests.unit.collector.outputs.surroundings import Surroundings

from pillion.collector.catalogue import output_plugin
from pillion.collector.network.google import GoogleSettings
from pillion.collector.plugin import Again, Delivered, Output, Refused, TooLarge, Verdict
from pillion.collector.records import Content, Lines, Records, Texts
from pillion.testing.destinations.datadog import DatadogServer
from pillion.testing.destinations.elasticsearch import ElasticsearchServer
from pillion.testing.destinations.loki import LokiServer
from pillion.testing.destinations.otlp import OtlpServer
from pillion.testing.destinations.peer import Accepted, HttpPeer, Reply, Reset, Silence
from pillion.testing.destinations.sink import HttpSink
from pillion.testing.destinations.splunk import SplunkServer
from pillion.testing.destinations.stackdriver import StackdriverServer

TIME = 1_700_000_000_000_000_000
FORMS: list[Content] = [
    Lines(data=b"one\n\n", time=TIME),
    Texts(data=b'{"log":"one","n":1.5}\n{"m":""}\n', times=[TIME, TIME + 1]),
    Records(times=[TIME], bodies=[{"log": b"\xff\x00", "deep": {"a": [None, 2**70, float("nan")]}}]),
]
PEERS: dict[str, tuple[Callable[[], HttpPeer], dict[str, Any]]] = {
    "http": (HttpSink, {}),
    "es": (ElasticsearchServer, {"suppress_type_name": True}),
    "opensearch": (ElasticsearchServer, {"suppress_type_name": True}),
    "loki": (LokiServer, {}),
    "splunk": (SplunkServer, {"splunk_token": "the-token"}),
    "datadog": (DatadogServer, {"apikey": "the-key"}),
    "opentelemetry": (OtlpServer, {}),
    "stackdriver": (StackdriverServer, {}),
}


@pytest.fixture(params=PEERS)
def bench(request: pytest.FixtureRequest) -> Iterator[tuple[Output, HttpPeer]]:
    make, keys = PEERS[request.param]
    with make() as peer:
        plugin = output_plugin(request.param)
        if request.param == "stackdriver":
            url = f"http://{peer.host}:{peer.port}"
            keys = {"cloud_logging_base_url": url, "google": GoogleSettings(metadata_server=url)}
        else:
            keys = {"host": peer.host, "port": peer.port, **keys}
        output = plugin.build(plugin.settings(**keys), Surroundings())
        yield output, peer
        peer.released.set()
        output.close()


def remaining(verdict: Verdict, content: Content) -> Content | None:
    assert isinstance(verdict, Again), verdict
    return content if verdict.remaining is None else verdict.remaining


@pytest.mark.parametrize("content", FORMS, ids=["lines", "texts", "records"])
def test_records_of_every_form_arrive(bench: tuple[Output, HttpPeer], content: Content) -> None:
    output, peer = bench
    before = msgspec.json.encode(content) if not isinstance(content, Records) else repr(content)
    assert output.deliver("app", content) == Delivered()
    assert peer.requests
    assert before == (msgspec.json.encode(content) if not isinstance(content, Records) else repr(content))


@pytest.mark.parametrize(
    "fault", [Reset(), Accepted(), Reply(status=503), Reply(status=429), Reply(status=302)]
)
def test_what_may_not_have_arrived_is_still_ours(bench: tuple[Output, HttpPeer], fault: Any) -> None:
    output, peer = bench
    assert output.deliver("app", FORMS[0]) == Delivered()  # a connection that is kept, a token that is had
    peer.plan(fault, fault)
    verdict = output.deliver("app", FORMS[0])
    assert remaining(verdict, FORMS[0]) == FORMS[0]
    while isinstance(verdict, Again):
        verdict = output.deliver("app", FORMS[0])
    assert verdict == Delivered()


def test_nobody_there_is_again(bench: tuple[Output, HttpPeer]) -> None:
    output, peer = bench
    peer.close()
    assert remaining(output.deliver("app", FORMS[1]), FORMS[1]) == FORMS[1]


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_is_never_taken_is_refused(bench: tuple[Output, HttpPeer], status: int) -> None:
    output, peer = bench
    assert output.deliver("app", FORMS[0]) == Delivered()
    peer.plan(Reply(status=status, body=b"no"))
    verdict = output.deliver("app", FORMS[0])
    assert isinstance(verdict, Refused)
    assert verdict.reason.startswith(f"HTTP {status}")
    assert output.deliver("app", FORMS[0]) == Delivered()


def test_what_is_too_large_is_said_to_be(bench: tuple[Output, HttpPeer]) -> None:
    output, peer = bench
    assert output.deliver("app", FORMS[0]) == Delivered()
    peer.plan(Reply(status=413))
    assert isinstance(output.deliver("app", FORMS[0]), TooLarge)


def test_a_delivery_that_waits_can_be_interrupted(bench: tuple[Output, HttpPeer]) -> None:
    output, peer = bench
    assert output.deliver("app", FORMS[0]) == Delivered()
    asked = len(peer.requests)
    peer.plan(Silence())
    found: list[Verdict] = []
    thread = threading.Thread(target=lambda: found.append(output.deliver("app", FORMS[0])))
    thread.start()
    while len(peer.requests) == asked:
        time.sleep(0.01)
    begun = time.monotonic()
    output.interrupt()
    thread.join(5)
    assert time.monotonic() - begun < 1
    assert remaining(found[0], FORMS[0]) == FORMS[0]
    assert output.deliver("app", FORMS[0]) == Delivered()  # what comes after it is not interrupted


def test_an_answer_of_nonsense_loses_nothing_and_raises_nothing(bench: tuple[Output, HttpPeer]) -> None:
    output, peer = bench
    assert output.deliver("app", FORMS[0]) == Delivered()
    for body in (b"", b"{", b"[]", b'{"error":7,"items":{},"text":[],"acks":1}', b"\xff\xfe"):
        for status in (200, 207, 400, 401, 500):
            peer.plan(*[Reply(status=status, body=body)] * 3)
            verdict = output.deliver("app", FORMS[0])
            if status >= 400:
                assert isinstance(verdict, Again | Refused), (status, body)
            while peer.planned:
                output.deliver("app", FORMS[0])
