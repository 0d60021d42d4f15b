"""From a target's page to a receiver: what the sender suite of prometheus/compliance checks of Prometheus and others.

Each of its cases is a job of one `pillion scrape`; the receiver refuses whatever breaks the protocol. Retries,
back-off, sharding and the fallback from 2.0 are in tests/unit/scraper/remotewrite.
"""

from __future__ import annotations

import http.server
import math
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.promql_lab import free_port

from pillion.scraper.configuration import WRITE_V1, WRITE_V2
from pillion.testing.destinations.remotewrite import STALE_BITS, V1_TYPE, V2_TYPE, Point, RemoteWriteServer

pytestmark = pytest.mark.slow

PATIENCE = 60
SERIES = 1000
PAGES = {
    "page": """\
# TYPE requests_total counter
requests_total{z="1",a="2",empty="",B="3"} 42
# TYPE temperature gauge
temperature 36.6
nan NaN
most +Inf
least -Inf
tiny 4.9e-324
huge 1.7976931348623157e308
unicode{text="ünïcödé 雪"} 1
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 1
latency_seconds_bucket{le="+Inf"} 3
latency_seconds_sum 1.5
latency_seconds_count 3
# TYPE size_bytes summary
size_bytes{quantile="0.5"} 7
size_bytes_sum 21
size_bytes_count 3
""",
    "conflict": 'own{job="theirs",instance="there"} 1\n',
    "honored": 'own{job="theirs",instance="there"} 1\n',
    "repeated": 'repeated{a="1",a="2"} 1\n',
    "invalid": "this is no page\n",
    "ordered": "".join(f'ordered{{i="{number}"}} 1\n' for number in range(SERIES)),
    "once": "once 1\n",
}
EXTRA = {"honored": "  honor_labels: true\n"}


class Target:
    """Serves PAGES by their names; `once` is empty from the second time on."""

    def __init__(self) -> None:
        target, self.served = self, Counter[str]()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.strip("/")
                target.served[name] += 1
                body = b"" if name == "once" and target.served[name] > 1 else PAGES[name].encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


class Sent(NamedTuple):
    address: str
    receiver: RemoteWriteServer
    begun: float

    def of(self, job: str, name: str) -> dict[tuple[tuple[str, str], ...], list[Point]]:
        """By the labels that are not every series' own."""
        own = {"__name__": name, "job": job, "instance": self.address}
        return {
            tuple(pair for pair in labels if pair[0] not in own): points
            for labels, points in list(self.receiver.series.items())
            if own.items() <= dict(labels).items()
        }

    def value(self, name: str, *labels: tuple[str, str]) -> float:
        return self.of("page", name)[labels][0].value


def eventually(claim: Callable[[], object]) -> None:
    waiting = threading.Event()
    deadline = time.monotonic() + PATIENCE
    while not claim():
        assert time.monotonic() < deadline, "it did not happen"
        waiting.wait(0.05)


@pytest.fixture(scope="module", params=[WRITE_V1, WRITE_V2], ids=["1.0", "2.0"])
def sent(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sent]:
    folder: Path = tmp_path_factory.mktemp("sender")
    target = Target()
    thread = threading.Thread(target=target.server.serve_forever, args=(0.05,))
    thread.start()
    begun = time.time()
    with RemoteWriteServer() as receiver:
        jobs = "".join(
            f"- job_name: {name}\n  metrics_path: /{name}\n{EXTRA.get(name, '')}"
            f"  static_configs: [{{targets: ['{target.address}']}}]\n"
            for name in PAGES
        )
        (folder / "prometheus.yml").write_text(
            f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n{jobs}"
            f"remote_write:\n- url: http://127.0.0.1:{receiver.port}/api/v1/write\n"
            f"  protobuf_message: {request.param}\n  queue_config: {{batch_send_deadline: 100ms}}\n"
        )
        argv = ["-m", "pillion", "scrape", "--config.file=prometheus.yml", "--storage.agent.path=data"]
        process = subprocess.Popen(
            [sys.executable, *argv, f"--web.listen-address=127.0.0.1:{free_port()}"],
            cwd=folder, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            found = Sent(target.address, receiver, begun)
            eventually(lambda: all(len(points) > 2 for points in [_up(found, name) for name in PAGES]))
            yield found
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert receiver.problems == []
            assert set(receiver.protocols) == {V1_TYPE if request.param == WRITE_V1 else V2_TYPE}
        finally:
            process.kill()
            process.wait()
            target.server.shutdown()
            target.server.server_close()
            thread.join()


def _up(found: Sent, job: str) -> list[Point]:
    return [point for points in found.of(job, "up").values() for point in points]


def test_values_of_all_types_arrive(sent: Sent) -> None:
    assert (
        sent.value("requests_total", ("B", "3"), ("a", "2"), ("z", "1")) == 42
    )  # sorted, the empty one gone
    assert sent.value("temperature") == 36.6
    assert math.isnan(sent.value("nan"))
    assert [sent.value(name) for name in ("most", "least")] == [math.inf, -math.inf]
    assert [sent.value(name) for name in ("tiny", "huge")] == [5e-324, sys.float_info.max]
    assert sent.value("unicode", ("text", "ünïcödé 雪")) == 1
    assert sent.value("latency_seconds_bucket", ("le", "+Inf")) == 3
    assert sent.value("latency_seconds_sum") == 1.5
    assert sent.value("size_bytes", ("quantile", "0.5")) == 7
    assert sent.value("size_bytes_count") == 3


def test_labels_of_the_page_give_way_unless_they_are_honored(sent: Sent) -> None:
    assert list(sent.of("conflict", "own")) == [(("exported_instance", "there"), ("exported_job", "theirs"))]
    honored = (("__name__", "own"), ("instance", "there"), ("job", "theirs"))
    assert honored in sent.receiver.series


@pytest.mark.parametrize(
    ("job", "is_up"), [(name, name not in ("repeated", "invalid")) for name in PAGES], ids=list(PAGES)
)
def test_a_target_is_up_unless_its_page_is_wrong(sent: Sent, job: str, is_up: bool) -> None:
    assert {point.value for point in _up(sent, job)} == {float(is_up)}


def test_nothing_is_taken_of_a_page_that_is_wrong(sent: Sent) -> None:
    assert sent.of("repeated", "repeated") == {}


def test_a_series_that_is_gone_ends(sent: Sent) -> None:
    [points] = sent.of("once", "once").values()
    assert [point.bits == STALE_BITS for point in points] == [False, True]


def test_times_are_those_of_the_scrapes_and_rise(sent: Sent) -> None:
    [points] = sent.of("page", "temperature").values()
    times = [point.time / 1000 for point in list(points)]
    assert times == sorted(set(times))
    assert sent.begun - 1 <= times[0]
    assert times[-1] <= time.time() + 1


def test_every_series_is_sent_in_order(sent: Sent) -> None:
    """The receiver answers a sample that is not later than the one before it with 400."""
    assert len(sent.of("ordered", "ordered")) == SERIES
    assert sent.receiver.problems == []
