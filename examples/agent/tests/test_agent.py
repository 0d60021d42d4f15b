"""The agent as its users see it: two ports, one log file, one signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

FOLDER = Path(__file__).parent.parent


class Agent:
    """A running agent, on ports of the kernel's choice."""

    def __init__(self, log_file: Path | None) -> None:
        environment = {
            **os.environ,
            "LISTEN_HOST": "127.0.0.1",
            "LISTEN_PORT": "0",
            "METRICS_LISTEN_PORT": "0",
        }
        environment.pop("LOG_FILE", None)
        if log_file is not None:
            environment["LOG_FILE"] = str(log_file)
        command = [sys.executable, "-m", "pillion_agent"]
        pipe = subprocess.PIPE
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, cwd=FOLDER, env=environment, stdout=pipe, stderr=pipe, text=True
        )
        assert self.process.stderr is not None
        listening = json.loads(self.process.stderr.readline())
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{listening['port']}")
        self.metrics = httpx.Client(base_url=f"http://127.0.0.1:{listening['metrics_port']}")

    def infer(self, text: str, **headers: str) -> httpx.Response:
        return self.api.post("/inference", json={"text": text}, headers=headers)

    def sample(self, name: str) -> float:
        """One sample of /metrics; 0 when there is none yet."""
        for line in self.metrics.get("/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def stop(self, number: int = signal.SIGTERM) -> str:
        """Returns what it wrote to stdout."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=10)
        return output

    def close(self) -> None:
        self.api.close()
        self.metrics.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    return tmp_path / "agent" / "requests.log"


@pytest.fixture
def agent(log_file: Path) -> Iterator[Agent]:
    agent = Agent(log_file)
    yield agent
    agent.close()


def read(log_file: Path, count: int = 1) -> list[dict[str, object]]:
    """The log once it has `count` lines: a request's line is written after its answer has left."""
    deadline = time.monotonic() + 5
    while log_file.read_text().count("\n") < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return [json.loads(line) for line in log_file.read_text().splitlines()]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love this, it is wonderful.", "positive"),
        ("What a horrible, broken mess.", "negative"),
        ("The pod has three containers.", "neutral"),
        ("Great! Superb! But the end was bad.", "positive"),
        (" \n ", "neutral"),
        ("good " * 2000, "positive"),
    ],
)
def test_inference_tells_the_sentiment(agent: Agent, text: str, label: str) -> None:
    response = agent.infer(text)
    assert response.status_code == 200
    assert response.json()["label"] == label


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x" * 10_001}, {"text": 3}])
def test_a_request_that_makes_no_sense_is_refused_and_logged_as_an_error(
    agent: Agent, log_file: Path, body: dict[str, object]
) -> None:
    assert agent.api.post("/inference", json=body).status_code == 422
    (line,) = read(log_file)
    assert (line["status"], line["http_status"], line["level"]) == ("error", 422, "warning")


def test_a_log_line_tells_everything_but_the_text(agent: Agent, log_file: Path) -> None:
    response = agent.infer("my secret love", **{"x-request-id": "abc-1"})
    assert response.headers["x-request-id"] == "abc-1"
    (line,) = read(log_file)
    assert line.pop("time").endswith("Z")
    assert 0 < line.pop("latency_ms") < 1000
    assert line == {
        "level": "info",
        "message": "request",
        "request_id": "abc-1",
        "method": "POST",
        "path": "/inference",
        "status": "success",
        "http_status": 200,
        "text_length": 14,
        "label": response.json()["label"],
        "score": response.json()["score"],
    }
    assert "secret" not in log_file.read_text()


def test_a_request_id_that_is_no_token_is_replaced(agent: Agent) -> None:
    assert agent.infer("x", **{"x-request-id": 'a"b c'}).headers["x-request-id"].isalnum()


def test_the_log_file_may_be_rotated_at_any_time(agent: Agent, log_file: Path) -> None:
    agent.infer("one")
    log_file.rename(log_file.with_suffix(".1"))
    agent.infer("two and")
    assert [line["text_length"] for line in read(log_file.with_suffix(".1"))] == [3]
    assert [line["text_length"] for line in read(log_file)] == [7]


def test_without_a_log_file_the_lines_go_to_stdout() -> None:
    agent = Agent(None)
    try:
        agent.infer("hello")
        (line,) = agent.stop().splitlines()
        assert json.loads(line)["text_length"] == 5
    finally:
        agent.close()


def test_health_checks_are_counted_and_not_logged(agent: Agent, log_file: Path) -> None:
    assert agent.api.get("/healthz").json() == {"status": "ok"}
    assert agent.sample('agent_requests_total{method="GET",path="/healthz",status="200"}') == 1
    assert read(log_file, count=0) == []


def test_metrics_count_requests_and_know_patterns_only(agent: Agent) -> None:
    agent.infer("lovely")
    agent.api.get("/no/such/path")
    assert agent.sample('agent_requests_total{method="POST",path="/inference",status="200"}') == 1
    assert agent.sample('agent_requests_total{method="GET",path="unmatched",status="404"}') == 1
    assert agent.sample('agent_request_duration_seconds_count{path="/inference"}') == 1
    assert agent.sample('agent_predictions_total{label="positive"}') == 1
    assert agent.sample("agent_requests_in_flight") == 0
    assert agent.sample("process_resident_memory_bytes") > 0


def test_each_port_serves_its_own_only(agent: Agent) -> None:
    assert agent.api.get("/metrics").status_code == 404
    assert agent.metrics.get("/healthz").status_code == 404


def test_the_agent_is_up_soon(agent: Agent) -> None:
    assert agent.api.get("/healthz").status_code == 200
    assert time.monotonic() - agent.started < 5, "0.5 s of its own; the rest is for a busy machine"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_agent_stops_at_once_with_code_zero(agent: Agent, number: int) -> None:
    agent.infer("keep this connection open")
    started = time.monotonic()
    agent.stop(number)
    assert agent.process.returncode == 0
    assert time.monotonic() - started < 1, "0.12 s of its own; the rest is for a busy machine"


def test_what_has_begun_is_answered_before_the_end(agent: Agent, log_file: Path) -> None:
    """A request whose body is still on its way when SIGTERM comes."""
    body = b'{"text": "I love it"}'

    def halves() -> Iterator[bytes]:
        yield body[:10]
        while agent.sample("agent_requests_in_flight") < 1:
            pass
        agent.process.send_signal(signal.SIGTERM)
        wait_until_refused(agent)
        yield body[10:]

    headers = {"content-type": "application/json", "content-length": str(len(body))}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(agent.api.post, "/inference", content=halves(), headers=headers)
        assert answer.result(10).json()["label"] == "positive"
    assert agent.process.wait(10) == 0
    assert [line["status"] for line in read(log_file)] == ["success"]


def wait_until_refused(agent: Agent) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            httpx.get(agent.api.base_url.join("/healthz"))
        except httpx.TransportError:
            return
    raise AssertionError("the agent still accepts connections")


def test_a_port_in_use_is_one_line_and_not_a_traceback(agent: Agent) -> None:
    command = [
        sys.executable,
        "-m",
        "pillion_agent",
        "--host",
        "127.0.0.1",
        "--port",
        str(agent.api.base_url.port),
    ]
    result = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("cannot start the agent: ")
    assert "Traceback" not in result.stderr


def test_the_handlers_hold_no_operational_code() -> None:
    source = (FOLDER / "pillion_agent" / "api.py").read_text().lower()
    assert not [
        word for word in ("import logging", "prometheus", "import time", "open(", "environ") if word in source
    ]


def test_the_agent_is_a_guest() -> None:
    sources = [path.read_text() for path in (FOLDER / "pillion_agent").glob("*.py")]
    assert not [text for text in sources if "from pillion." in text or "import pillion\n" in text]
