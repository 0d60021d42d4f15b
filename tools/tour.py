"""`make run`: an agent with a logging and a metrics sidecar, seen from outside, as its user would see it.

Everything here goes through the `pillion` command, HTTP and signals. It waits for facts, never for time to pass, and
ends with exit status 1 at the first one that does not come.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any, NamedTuple

from leftovers import Traces, collect_traces, find_leftovers
from watchedchild import UnexpectedError, WatchedChild, poll

ROOT = Path(__file__).resolve().parent.parent
POD = "agent-with-sidecars"
START_ORDER = ["logging-sidecar", "metrics-sidecar", "agent"]
"""Sidecars as the manifest lists them, then the agent. The end goes the other way round."""
CTRL_C = 130
"""Exit status of a command that Ctrl-C has ended."""
TEXTS = (
    "I love how quietly these sidecars do their work.",
    "The deployment failed again and everybody is angry.",
    "The meeting is on Tuesday at ten.",
    "What a wonderful, brilliant, lovely idea!",
    "Losing the last log lines before a crash is awful.",
    "It runs on port 8000.",
    "Great answer, but it took terribly long.",
    "¡Qué bien! 多谢 🙂",
)


class Answer(NamedTuple):
    request_id: str
    label: str
    score: float
    seconds: float


def say(text: str = "") -> None:
    """One write per line: the child's lines come from another thread."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def step(text: str) -> None:
    say(f"\n▶ {text}")


def show(line: str) -> None:
    """The pod's output as it comes, without Prometheus' own chatter: 25 lines at each start that nobody reads here."""
    if not (line.startswith(f"{POD}/metrics-sidecar | ") and " level=info " in line):
        say(line)


class Agent:
    """The agent as its clients know it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._asked = 0
        self.answered: list[str] = []
        """Request IDs."""

    def is_up(self) -> bool | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK or None
        except http.client.HTTPException as error:  # the connection ended before an answer
            raise ConnectionError(error) from error
        finally:
            connection.close()

    def ask(self, text: str) -> Answer:
        """On a connection of its own. Raises OSError, HTTPException, and ValueError for a wrong answer."""
        self._asked += 1
        request_id = f"tour-{self._asked}"
        started = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            headers = {"content-type": "application/json", "x-request-id": request_id}
            connection.request("POST", "/inference", json.dumps({"text": text}), headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise ValueError(f"status {response.status}: {body.decode(errors='replace')}")
        self.answered.append(request_id)
        said = json.loads(body)
        return Answer(request_id, said["label"], said["score"], time.perf_counter() - started)


class Traffic:
    """Requests one after the other, 20 a second, from a thread, until told to stop."""

    def __init__(self, agent: Agent) -> None:
        self.answered = 0
        self.failures: list[str] = []
        self._agent = agent
        self._stop = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._send, name="traffic", daemon=True)

    def _send(self) -> None:
        while not self._stop.wait(0.05):
            failure = None
            try:
                self._agent.ask(TEXTS[self.answered % len(TEXTS)])
            except (OSError, http.client.HTTPException, ValueError) as error:
                failure = f"{type(error).__name__}: {error}"
            with self._news:
                if failure is None:
                    self.answered += 1
                else:
                    self.failures.append(failure)
                self._news.notify_all()

    def start(self) -> None:
        self._thread.start()

    def flow(self, count: int) -> None:
        """Return when `count` more requests have ended, one way or the other."""
        with self._news:
            enough = self.answered + len(self.failures) + count
            if not self._news.wait_for(lambda: self.answered + len(self.failures) >= enough, 30):
                raise UnexpectedError(f"{count} more answers", "none for 30 s")

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Prometheus:
    """The metrics sidecar's HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

    def __init__(self, port: int) -> None:
        self._port = port

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """(labels, value) of each series. Raises OSError while it is not up."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
            response = connection.getresponse()
            if response.status != http.HTTPStatus.OK:
                raise ConnectionError(f"status {response.status}")
            answer: dict[str, Any] = json.load(response)
        except http.client.HTTPException as error:
            raise ConnectionError(error) from error
        finally:
            connection.close()
        return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]

    def value(self, expression: str, at_least: float) -> float | None:
        values = self.query(expression)
        return values[0][1] if values and values[0][1] >= at_least else None


class Tour:
    def __init__(self, state_dir: str) -> None:
        self._state_dir = state_dir
        agent_port, prometheus_port = self._ports = _free_ports(2)
        self._agent = Agent(agent_port)
        self._prometheus = Prometheus(prometheus_port)
        self._traces = Traces(state_dir, ports=self._ports)
        argv = [
            *("run", "examples/manifests/agent-with-logging-and-metrics.yaml"),
            *("examples/manifests/prometheus-config.yaml",),
            *("--image", "myregistry.azurecr.io/agent:v1=examples/agent"),
            *("--publish", f"{agent_port}:8000", "--publish", f"{prometheus_port}:9090"),
            *("--timeline", "--state-dir", state_dir),
        ]
        step("start the Pod of the lesson")
        say(f"$ pillion {' '.join(argv)}")
        self._started = time.monotonic()
        self._child = WatchedChild([str(ROOT / ".venv/bin/pillion"), *argv], show)

    def run(self) -> None:
        self._wait_until_running()
        self._ask()
        self._show_metrics()
        self._kill_metrics_sidecar()
        self._stop()

    def _wait_until_running(self) -> None:
        self._expect_row("3/3", "Running", 0, within=60)
        running = time.monotonic()
        self._traces = collect_traces(self._state_dir, self._ports)
        poll("the agent's answer to GET /healthz", self._agent.is_up, within=30)
        answering = time.monotonic()
        say(
            f"  running after {running - self._started:.2f} s; "
            f"the agent's Python took another {answering - running:.2f} s until its first answer"
        )
        self._show_table()

    def _ask(self) -> None:
        step("send real requests")
        answers = [self._agent.ask(text) for text in TEXTS]
        for text, answer in zip(TEXTS, answers, strict=True):
            took = f"{answer.seconds * 1000:.1f} ms"
            say(f"  {answer.request_id}  {answer.label:<8} {answer.score:+.4f}  {took:>8}  {text}")
        step("their log lines, streamed by the logging sidecar")
        for answer in answers:
            line = self._child.expect(
                f"the log line of request {answer.request_id} from the logging sidecar",
                rf'^{POD}/logging-sidecar \| (.*"request_id": "{answer.request_id}".*)',
                within=10,
            )
            logged = json.loads(line[1])
            if (logged["label"], logged["score"]) != (answer.label, answer.score):
                raise UnexpectedError(f"{answer} in its log line", line[1])
        say(f"  {len(answers)} requests, {len(answers)} lines, each with the answer that was given")

    def _show_metrics(self) -> None:
        step("what the metrics sidecar has scraped (every 5 s)")
        count = 'sum(agent_requests_total{path="/inference"})'
        poll("Prometheus' up == 1", lambda: self._prometheus.value("up", 1), within=20)
        poll(
            f"{count} == {len(TEXTS)} in Prometheus",
            lambda: self._prometheus.value(count, len(TEXTS)),
            within=20,
        )
        for expression in (
            "up",
            'agent_requests_total{path="/inference"}',
            "agent_predictions_total",
            'agent_request_duration_seconds_sum{path="/inference"}',
        ):
            for labels, value in self._prometheus.query(expression):
                name = labels.pop("__name__")
                shown = ", ".join(f'{k}="{v}"' for k, v in labels.items() if k not in ("instance", "job"))
                say(f"  {name}{{{shown}}} {value:g}")

    def _kill_metrics_sidecar(self) -> None:
        step("kill the metrics sidecar while requests go on")
        traffic = Traffic(self._agent)
        traffic.start()
        traffic.flow(5)
        before = len(self._child.lines)
        pid = _container_process(self._state_dir, "metrics-sidecar")
        say(f"$ kill -KILL {pid}    # {Path(f'/proc/{pid}/comm').read_text().strip()}")
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        self._expect_row("3/3", "Running", 1, within=30, since=before)
        back = time.monotonic()
        poll("an answer of the new Prometheus", lambda: self._prometheus.value("vector(1)", 1), within=20)
        answering = time.monotonic()
        traffic.flow(10)
        traffic.stop()
        say(
            f"  the sidecar ran again after {back - killed:.2f} s and answered after {answering - killed:.2f} s; "
            f"{traffic.answered} requests were answered around it, {len(traffic.failures)} failed"
        )
        if traffic.failures:
            raise UnexpectedError("no failed request", "; ".join(traffic.failures[:5]))
        self._show_table()

    def _stop(self) -> None:
        step("stop everything (Ctrl-C)")
        first = len(self._child.lines)
        started = time.monotonic()
        self._child.interrupt()
        status = self._child.wait(within=40)
        took = time.monotonic() - started
        if status != CTRL_C:
            raise UnexpectedError(f"exit status {CTRL_C}", f"exit status {status}")
        step("look back")
        self._check_order([line for line in self._child.lines[first:] if re.match(r" *\d+\.\d{3} ", line)])
        self._check_log_lines()
        self._check_leftovers()
        say(f"  stopped in {took:.2f} s; the whole tour took {time.monotonic() - self._started:.1f} s")

    def _check_order(self, timeline: list[str]) -> None:
        started = _containers(timeline, r"running$")
        if started != START_ORDER:
            raise UnexpectedError(f"the start order {START_ORDER}", str(started))
        end = [i for i, line in enumerate(timeline) if "stop signal" in line]
        signalled = _containers(timeline, r"→ stop signal")
        ended = _containers(timeline[end[0] :] if end else [], r"exited with code 0$")
        if signalled != START_ORDER[::-1] or ended != START_ORDER[::-1]:
            raise UnexpectedError(
                f"the end of {START_ORDER[::-1]}, in that order", f"{signalled}, then {ended}"
            )
        say(f"  started: {', then '.join(started)}")
        say(f"  stopped: {', then '.join(ended)}; each with exit code 0")

    def _check_log_lines(self) -> None:
        logged = {
            match[1]
            for line in self._child.lines
            if (match := re.match(rf'{POD}/logging-sidecar \| .*"request_id": "(tour-\d+)"', line))
        }
        lost = [request_id for request_id in self._agent.answered if request_id not in logged]
        if lost:
            raise UnexpectedError("a log line for every request", f"none for {', '.join(lost)}")
        say(
            f"  {len(self._agent.answered)} requests were answered, {len(logged)} log lines streamed: none is lost"
        )

    def _check_leftovers(self) -> None:
        left = find_leftovers(self._traces)
        if left:
            raise UnexpectedError("nothing left behind", "\n          ".join(left))
        say("  nothing is left: no process, mount, namespace, cgroup, bridge, nftables table or open port")

    def _expect_row(self, ready: str, status: str, restarts: int, *, within: float, since: int = 0) -> None:
        self._child.expect(
            f"the row {POD}   {ready}   {status}   {restarts}",
            rf"^{POD} +{ready} +{status} +{restarts}\b",
            within=within,
            since=since,
        )

    def _show_table(self) -> None:
        titles = next(line for line in self._child.lines if line.startswith("NAME "))
        row = next(line for line in reversed(self._child.lines) if line.startswith(f"{POD} "))
        say(f"{titles}\n{row}")

    def close(self) -> None:
        """Leaves the state directory where it is when something is mounted in it: that may be somebody's files."""
        self._child.end()
        if left := find_leftovers(self._traces):
            say("  left behind: " + "\n               ".join(left))
        else:
            shutil.rmtree(self._state_dir)


def _containers(timeline: list[str], what: str) -> list[str]:
    """Who did that, in the order of the timeline: SECONDS CONTAINER WHAT."""
    return [line.split()[1] for line in timeline if re.search(what, line)]


def _container_process(state_dir: str, container: str) -> int:
    """The first process of a running container: conmon, its parent, names our state directory and its pid file."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text(errors="replace").split("\0")
        except OSError:  # it has just ended
            continue
        is_its_monitor = any(w.startswith(f"k8s-file:{state_dir}/") and f"/{container}/" in w for w in words)
        if is_its_monitor and "--container-pidfile" in words:
            return int(Path(words[words.index("--container-pidfile") + 1]).read_text())
    raise UnexpectedError(f"a process of {container}", "no conmon that watches one")


def _free_ports(count: int) -> tuple[int, ...]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return tuple(sock.getsockname()[1] for sock in sockets)
    finally:
        for sock in sockets:
            sock.close()


def main() -> int:
    os.chdir(ROOT)
    tour = Tour(tempfile.mkdtemp(prefix="pillion-tour-"))
    try:
        tour.run()
    except UnexpectedError as error:
        say(f"\ntour: something went wrong\n{error}")
        return 1
    except KeyboardInterrupt:
        return CTRL_C
    finally:
        tour.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
