"""The lesson's Pod with logging and metrics where no Prometheus is installed: `pillion scrape` is `prom/prometheus`."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests import leaks
from tests.e2e.lab import Watched
from tests.integration.collector.process import until
from tests.promql_lab import free_port

pytestmark = [pytest.mark.host, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
POD = "agent-with-sidecars"
WITHOUT_PROMETHEUS = """\
import sys
from types import SimpleNamespace
from pillion.containers.images import prometheus
prometheus.shutil = SimpleNamespace(which=lambda name: None)
prometheus._BUNDLED = "nowhere"
from pillion.cli import main
main(sys.argv[1:])
"""


@contextlib.contextmanager
def running(folder: Path, port: int) -> Iterator[Watched]:
    leaks.watch(str(folder / "state"))
    manifests = [ROOT / "examples/manifests" / name for name in
                 ("agent-with-logging-and-metrics.yaml", "prometheus-config.yaml")]  # fmt: skip
    run = Watched(
        [
            *(sys.executable, "-c", WITHOUT_PROMETHEUS, "run", *map(str, manifests)),
            *("--state-dir", str(folder / "state"), "-o", "json"),
            *("--image", f"myregistry.azurecr.io/agent:v1={ROOT}/examples/agent"),
            *("--publish", f"{port}:9090"),
        ]
    )
    try:
        yield run
    finally:
        run.close()


def asked(port: int, path: str, **params: str) -> Any:
    """None: nobody answers yet."""
    query = urllib.parse.urlencode(params)
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}?{query}", timeout=10) as answer:
            return json.load(answer)["data"]
    except (urllib.error.URLError, ConnectionError):
        return None


def values(port: int, query: str) -> dict[str, float]:
    found = asked(port, "/api/v1/query", query=query)
    return {each["metric"]["job"]: float(each["value"][1]) for each in (found or {}).get("result", ())}


def test_the_lessons_metrics_sidecar_scrapes_the_agent_and_ends_with_it(tmp_path: Path) -> None:
    port = free_port()
    with running(tmp_path, port) as run:
        run.until(lambda: "Running" in run.rows(POD), 60)
        until(lambda: values(port, "up") == {"agent": 1})
        assert values(port, "count by (job) ({job='agent'})")["agent"] > 10
        assert asked(port, "/api/v1/status/buildinfo")["branch"] == "pillion"
        assert [each["health"] for each in asked(port, "/api/v1/targets")["activeTargets"]] == ["up"]
        run.signal()
        assert run.end(60) == 130
        sidecar = run.container(POD, "metrics-sidecar")
        assert sidecar["state"]["terminated"]["exitCode"] == 0
        assert sidecar["restartCount"] == 0
        said = "\n".join(run.logs(POD, "metrics-sidecar"))
    assert "caught SIGTERM" in said
