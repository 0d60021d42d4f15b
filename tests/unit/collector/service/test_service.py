"""The HTTP port: Fluent Bit's answers, and ours."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import pytest

from pillion.collector.service import metrics
from pillion.collector.service.endpoints import Endpoints
from pillion.collector.service.health import HealthLimits, HealthWindow, why_not_ready
from pillion.collector.service.view import Storage
from pillion.collector.status import FileStatus, FilterStatus, InputStatus, OutputStatus
from pillion.errors import HostError
from pillion.http.server import Asked, serve

LOG = logging.getLogger("pillion.collector.test")


class View:
    def __init__(self) -> None:
        file = FileStatus(
            path="/a.log", inode=7, size=500, read_offset=400, delivered_offset=300, oldest_unsent=90.0
        )
        self.inputs: Sequence[InputStatus] = [
            InputStatus(
                name="tail.0", plugin="tail", records=8, bytes=2536, files={(1, 7): file}, limit_bytes=8 << 20
            )
        ]
        self.filters: Sequence[FilterStatus] = [
            FilterStatus(name="grep.0", plugin="grep", records_in=8, bytes_in=2536, removed=3, dropped=3)
        ]
        self.outputs: Sequence[OutputStatus] = [
            OutputStatus(
                name="http.0",
                plugin="http",
                delivered=5,
                delivered_bytes=1585,
                retries=2,
                retried=9,
                dead_letters=1,
            )
        ]
        self.notices = {"http.0": "http.0 does not take records: 503"}
        self.storage = Storage(chunks=2, bytes=100)
        self.unrouted = 4
        self.started = 10.0
        self.now = 100.0
        self.is_stopping = False
        self.reloads = 0
        self.is_reloading = False
        self.may_reload = True
        self.wrong = ""

    async def reload(self) -> str:
        self.reloads += not self.wrong
        return self.wrong


def ask(
    view: View, target: str, method: str = "GET", *, health: HealthWindow | None = None
) -> tuple[int, str]:
    endpoints = Endpoints(view, hostname="pod", version="1.2.3", health=health, ready_limit=60.0)
    answer = asyncio.run(endpoints.respond(Asked(method=method, target=target)))
    return answer.status, answer.body.decode()


def test_the_root_names_the_version_of_the_interface() -> None:
    assert json.loads(ask(View(), "/")[1])["fluent-bit"]["version"] == "5.1.1"


def test_uptime_is_said_in_words_too() -> None:
    view = View()
    view.now = view.started + 2 * 86400 + 3600 + 60 + 5
    assert json.loads(ask(view, "/api/v1/uptime")[1]) == {
        "uptime_sec": 176465,
        "uptime_hr": "Fluent Bit has been running:  2 days, 1 hour, 1 minute and 5 seconds",
    }


def test_metrics_are_fluent_bits_by_instance() -> None:
    assert json.loads(ask(View(), "/api/v1/metrics")[1]) == {
        "input": {
            "tail.0": {"records": 8, "bytes": 2536, "files_opened": 0, "files_closed": 0, "files_rotated": 0}
        },
        "filter": {"grep.0": {"drop_records": 3, "add_records": 0, "records": 8, "bytes": 2536}},
        "output": {
            "http.0": {
                "proc_records": 5, "proc_bytes": 1585, "errors": 0, "retries": 2, "retries_failed": 0,
                "dropped_records": 1, "retried_records": 9,
            }
        },
    }  # fmt: skip


def test_prometheus_metrics_of_version_1_have_their_moment() -> None:
    status, text = ask(View(), "/api/v1/metrics/prometheus")
    assert status == HTTPStatus.OK
    assert "# TYPE fluentbit_output_proc_records_total counter\n" in text
    assert 'fluentbit_output_proc_records_total{name="http.0"} 5 100000\n' in text
    assert "process_start_time_seconds 10\n" in text


@pytest.mark.parametrize(
    "line",
    [
        'fluentbit_uptime{hostname="pod"} 90',
        'fluentbit_input_records_total{name="tail.0"} 8',
        'fluentbit_filter_drop_records_total{name="grep.0"} 3',
        'fluentbit_output_retried_records_total{name="http.0"} 9',
        'fluentbit_hot_reloaded_times{hostname="pod"} 0',
        'fluentbit_input_ingestion_paused{name="tail.0"} 0',
        'pillion_collector_input_lag_bytes{name="tail.0"} 200',
        'pillion_collector_output_dead_letters_total{name="http.0"} 1',
        "pillion_collector_unrouted_records_total 4",
        "pillion_collector_notices 1",
    ],
)
def test_prometheus_metrics_of_version_2(line: str) -> None:
    assert f"\n{line}\n" in "\n" + ask(View(), "/api/v2/metrics/prometheus")[1]


def test_every_metric_has_its_help_and_type_once() -> None:
    text = ask(View(), "/api/v2/metrics/prometheus")[1]
    types = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(types) == len(set(types))
    names = {line.partition("{")[0].split()[0] for line in text.splitlines() if not line.startswith("#")}
    assert names == set(types)


def test_version_2_has_the_text_of_cmetrics_too() -> None:
    line = '1970-01-01T00:01:40.000000000Z fluentbit_input_records_total{name="tail.0"} = 8\n'
    assert line in ask(View(), "/api/v2/metrics")[1]


def test_a_name_with_quotes_does_not_break_the_format() -> None:
    view = View()
    view.inputs = [InputStatus(name='a"b\\c', plugin="dummy")]
    assert 'fluentbit_input_records_total{name="a\\"b\\\\c"} 0' in metrics.prometheus_2(
        metrics.families(view, "pod")
    )


def test_storage_is_fluent_bits() -> None:
    answer = json.loads(ask(View(), "/api/v1/storage")[1])
    assert answer["storage_layer"]["chunks"]["fs_chunks"] == 2
    assert answer["input_chunks"]["tail.0"]["status"] == {
        "overlimit": False,
        "mem_size": "0b",
        "mem_limit": "8.0M",
    }


def test_the_status_tells_where_records_are() -> None:
    answer = json.loads(ask(View(), "/api/v1/status")[1])
    [file] = answer["inputs"][0]["files"]
    assert (file["lag_bytes"], file["lag_seconds"], answer["inputs"][0]["lag_bytes"]) == (200, 10.0, 200)
    assert answer["outputs"][0]["dead_letters"] == 1
    assert answer["notices"] == {"http.0": "http.0 does not take records: 503"}
    assert answer["ready"] is True


def test_without_health_check_there_is_no_health() -> None:
    assert ask(View(), "/api/v1/health")[0] == HTTPStatus.NOT_FOUND


def window(*, errors: int = 5) -> HealthWindow:
    return HealthWindow(HealthLimits(errors=errors, retry_failures=5, period=60.0))


def outputs(**counters: Any) -> list[OutputStatus]:
    return [OutputStatus(name="http.0", plugin="http", **counters)]


@pytest.mark.parametrize(
    ("counters", "healthy"),
    [
        ({}, True),
        ({"errors": 5}, True),
        ({"errors": 6}, False),
        ({"retries_failed": 6}, False),
        ({"dropped": 100, "retries": 100}, True),
    ],
)
def test_healthy_means_not_more_errors_within_the_period_than_the_limit(
    counters: dict[str, int], healthy: bool
) -> None:
    view, health = View(), window()
    health.sample(outputs(), 50.0)
    view.outputs = outputs(**counters)
    expected = (HTTPStatus.OK, "ok\n") if healthy else (HTTPStatus.INTERNAL_SERVER_ERROR, "error\n")
    assert ask(view, "/api/v1/health", health=health) == expected


def test_errors_of_long_ago_do_not_count() -> None:
    health = window()
    health.sample(outputs(), 0.0)
    health.sample(outputs(errors=100), 50.0)
    assert not health.judge(outputs(errors=100), 55.0).is_healthy
    assert health.judge(outputs(errors=100), 100.0).is_healthy


def test_health_of_version_2_has_the_numbers() -> None:
    health = window(errors=3)
    assert json.loads(ask(View(), "/api/v2/health", health=health)[1]) == {
        "status": "ok", "errors": 0, "retries_failed": 0,
        "error_limit": 3, "retry_failure_limit": 5, "period_limit": 60,
    }  # fmt: skip


def test_ready_means_that_records_arrive() -> None:
    view = View()
    assert ask(view, "/ready") == (HTTPStatus.OK, "ready\n")
    view.outputs = outputs(oldest_unsent=30.0, consecutive_failures=3, last_error="connection refused")
    status, why = ask(view, "/ready")
    assert (status, why) == (
        HTTPStatus.SERVICE_UNAVAILABLE,
        "http.0 has not delivered a record for 70 s: connection refused\n",
    )
    view.is_stopping = True
    assert ask(view, "/ready") == (HTTPStatus.SERVICE_UNAVAILABLE, "ending\n")


def test_a_record_that_is_young_does_not_make_it_not_ready() -> None:
    assert why_not_ready(outputs(oldest_unsent=50.0), now=100.0, limit=60.0) == []


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_reload_is_answered_with_its_outcome(method: str) -> None:
    view = View()
    assert json.loads(ask(view, "/api/v2/reload", method)[1]) == {"reload": "done", "status": 0}
    assert json.loads(ask(view, "/api/v2/reload")[1]) == {"hot_reload_count": 1}
    view.wrong = "a.conf:3: nonsense"
    status, body = ask(view, "/api/v2/reload", method)
    assert (status, json.loads(body)["error"]) == (HTTPStatus.BAD_REQUEST, "a.conf:3: nonsense")


def test_a_reload_that_is_not_possible_is_answered_as_fluent_bit_does() -> None:
    view = View()
    view.is_reloading = True
    assert ask(view, "/api/v2/reload", "PUT") == (
        HTTPStatus.BAD_REQUEST,
        '{"reload":"in progress","status":-2}',
    )
    view.may_reload = False
    assert ask(view, "/api/v2/reload", "PUT") == (HTTPStatus.OK, '{"reload":"not enabled","status":-1}')


def test_other_paths_and_methods_are_refused() -> None:
    assert ask(View(), "/nothing")[0] == HTTPStatus.NOT_FOUND
    assert ask(View(), "/", "DELETE")[0] == HTTPStatus.METHOD_NOT_ALLOWED


# ── over a socket ────────────────────────────────────────────────────────────────────────────────────────────────────
async def talk(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def served(request: bytes) -> bytes:
    async def main() -> bytes:
        endpoints = Endpoints(View(), hostname="pod", version="1", health=None, ready_limit=0)
        async with serve("127.0.0.1", 0, endpoints.respond, LOG) as port:
            return await talk(port, request)

    return asyncio.run(main())


def test_it_speaks_http() -> None:
    answer = served(b"GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"ready\n")


def test_a_connection_is_kept_for_the_next_request() -> None:
    one = b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n"
    answer = served(
        one
        + one
        + b"POST /api/v2/reload HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
    )
    assert answer.count(b"HTTP/1.1 200") == 3


def test_head_has_no_body() -> None:
    assert served(b"HEAD /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 70_000,
    ],
)
def test_what_is_no_request_or_too_much_ends_the_connection(request_: bytes) -> None:
    assert served(request_ + b"\r\n" * 20) == b""


def test_a_port_that_is_taken_is_said() -> None:
    async def main() -> None:
        endpoints = Endpoints(View(), hostname="pod", version="1", health=None, ready_limit=0)
        async with serve("127.0.0.1", 0, endpoints.respond, LOG) as port:
            with pytest.raises(HostError, match=f"cannot listen on 127.0.0.1:{port}"):
                async with serve("127.0.0.1", port, endpoints.respond, LOG):
                    pass

    asyncio.run(main())
