"""`pillion scrape` beside Debian's Prometheus, which scrapes the same target and receives what we write.

On the way the target goes and comes back, ours is killed with SIGKILL, and the receiver restarts. Afterwards the
receiver has every page that ours has read, sample by sample, and the same series from both.

    PILLION_SOAK_SECONDS=300 pytest tests/integration/test_scrape_beside_prometheus.py -m slow
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.promql_lab import free_port, prometheus_program, running_prometheus

if TYPE_CHECKING:
    from tests.promql_lab import Prometheus

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(prometheus_program() is None, reason="there is no Prometheus here"),
]

Held = dict[tuple[tuple[str, str], ...], list[tuple[int, float]]]
"""By labels: milliseconds and values."""
SERIES = 200
STAGES = 4
PAGES = max(3, int(os.environ.get("PILLION_SOAK_SECONDS", "0")) // STAGES)
"""That are scraped before the next thing happens, one each second."""
PATIENCE = 60 + 2 * PAGES
"""Seconds."""


class Agent:
    """A target that counts the pages it has served to whom; it can go and come back."""

    def __init__(self) -> None:
        self.served: Counter[str] = Counter()
        self.port = free_port()

    def page(self, path: str) -> bytes:
        self.served[path] += 1
        lines = ["# TYPE pages_total counter", f"pages_total {self.served[path]}", "# TYPE constant gauge"]
        lines += [f'constant{{i="{number}",text="a\\"b"}} {number / 7!r}' for number in range(SERIES)]
        return "\n".join([*lines, ""]).encode()

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        agent = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = agent.page(self.path)
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True

        with Server(("127.0.0.1", self.port), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


class Ours(NamedTuple):
    """A running `pillion scrape`."""

    process: subprocess.Popen[bytes]
    url: str

    def held(self, selector: str) -> Held:
        query = urllib.parse.urlencode({"query": f"{selector}[1h]"})
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query?{query}", timeout=30) as answer:
                return _held(json.load(answer))
        except urllib.error.URLError:
            assert self.process.poll() is None
            return {}


@contextlib.contextmanager
def ours(folder: Path, agent: Agent, receiver_port: int) -> Iterator[Ours]:
    folder.mkdir(exist_ok=True)
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, scrape_timeout: 1s, external_labels: {by: ours}}\n"
        "scrape_configs:\n- job_name: agent\n  metrics_path: /ours\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{agent.port}']}}]\n"
        f"remote_write: [{{url: 'http://127.0.0.1:{receiver_port}/api/v1/write'}}]\n"
    )
    port = free_port()
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                *("-m", "pillion", "scrape", f"--config.file={config}"),
                f"--storage.agent.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stderr=log,
        )
    try:
        yield Ours(process, f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def theirs(agent: Agent) -> str:
    """The configuration of Prometheus."""
    return (
        "global: {scrape_interval: 1s, scrape_timeout: 1s}\n"
        "scrape_configs:\n- job_name: agent\n  metrics_path: /theirs\n"
        f"  static_configs: [{{targets: ['127.0.0.1:{agent.port}']}}]\n"
    )


def received(prometheus: Prometheus, selector: str) -> Held:
    """Without the label that says who has scraped it."""
    _, answer = prometheus.get("/api/v1/query", query=f"{selector}[1h]")
    return _held(answer)


def _held(answer: dict[str, Any]) -> Held:
    return {
        tuple(sorted((name, value) for name, value in series["metric"].items() if name != "by")): [
            (round(at * 1000), float(value)) for at, value in series["values"]
        ]
        for series in answer["data"]["result"]
    }


def values(held: Held) -> list[float]:
    return [value for samples in held.values() for _, value in samples]


def eventually(is_true: Callable[[], object], what: str) -> None:
    waiting = threading.Event()
    deadline = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < deadline, what
        waiting.wait(0.1)


def last_pages(held: Held) -> float:
    return max(values(held), default=0)


def missing_from(held: Held, wanted: Held) -> list[str]:
    """Samples that were wanted and are not held, to the millisecond and the bit."""
    return [
        f"{dict(labels)} {sample}"
        for labels, samples in wanted.items()
        for sample in sorted(set(samples) - set(held.get(labels, ())))
    ]


def test_the_receiver_has_what_ours_has_read_whatever_restarts_and_the_same_as_its_own(
    tmp_path: Path,
) -> None:
    agent = Agent()
    port = free_port()
    (tmp_path / "prometheus").mkdir()
    text = theirs(agent)
    mine, all_mine = '{job="agent"}', '{job="agent",by="ours"}'
    with contextlib.ExitStack() as stack:
        scraper = stack.enter_context(ours(tmp_path / "ours", agent, port))
        with running_prometheus(tmp_path / "prometheus", text=text, port=port) as prometheus:
            with agent.serving():
                eventually(lambda: last_pages(scraper.held("pages_total")) > PAGES, "ours scrapes")
                eventually(
                    lambda: last_pages(received(prometheus, 'pages_total{by=""}')) >= 2, "Prometheus scrapes"
                )
            for by in ("ours", ""):
                eventually(
                    lambda by=by: 0 in values(received(prometheus, f'up{{by="{by}"}}')),  # type: ignore[misc]
                    "a target that is gone is down",
                )
            _, gone = prometheus.get("/api/v1/query", query="count by (by) (constant)")
            assert gone["data"]["result"] == []  # both have said at once that its series have ended
            stack.enter_context(agent.serving())
            before = agent.served["/ours"]
            eventually(
                lambda: last_pages(scraper.held("pages_total")) >= before + PAGES, "ours scrapes again"
            )
            first = scraper.held(mine)
            scraper.process.send_signal(signal.SIGKILL)
            scraper.process.wait()
        read_before_the_kill = agent.served["/ours"]
        scraper = stack.enter_context(ours(tmp_path / "ours", agent, port))  # there is no receiver
        wanted = read_before_the_kill + PAGES
        eventually(lambda: last_pages(scraper.held("pages_total")) >= wanted, "it begins")
        with running_prometheus(tmp_path / "prometheus", text=text, port=port) as prometheus:
            begun = agent.served["/theirs"]
            eventually(
                lambda: last_pages(received(prometheus, 'pages_total{by=""}')) >= begun + PAGES,
                "it scrapes again",
            )
            second = scraper.held(mine)
            eventually(
                lambda: not missing_from(received(prometheus, all_mine), second), "the receiver has all of it"
            )
            written = received(prometheus, all_mine)
            own = received(prometheus, '{job="agent",by=""}')
    assert missing_from(written, first) == []
    assert missing_from(written, second) == []
    pages = sorted(values({labels: written[labels] for labels in written if _name(labels) == "pages_total"}))
    assert len(pages) == len(set(pages))
    lost = set(range(1, int(last_pages(_named(second, "pages_total"))) + 1)) - set(pages)
    assert lost <= {read_before_the_kill}  # served, and ours was killed before it had read it
    assert set(written) == set(own)
    constants = {labels for labels in own if _name(labels) == "constant"}
    assert len(constants) == SERIES
    assert all({v for _, v in written[labels]} == {v for _, v in own[labels]} for labels in constants)
    for name in ("scrape_samples_scraped", "scrape_series_added", "up"):
        assert set(values(_named(written, name))) == set(values(_named(own, name))), name


def _name(labels: tuple[tuple[str, str], ...]) -> str:
    return dict(labels)["__name__"]


def _named(held: Held, name: str) -> Held:
    return {labels: samples for labels, samples in held.items() if _name(labels) == name}
