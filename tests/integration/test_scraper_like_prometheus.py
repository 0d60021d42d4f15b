"""The real Prometheus reads the same configurations, and says and understands the same."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.scraper.configuration.faulty import ERRORS, TYPE_ERRORS

from pillion.scraper.configuration import ConfigurationError, load, render

PROMETHEUS = shutil.which("prometheus") or str(
    Path(sys.prefix, "share/pillion/prometheus/usr/bin/prometheus")
)
LOADED = "Server is ready to receive web requests"

GOOD = """
global:
  scrape_interval: 15s
  external_labels: {region: eu, number: 1}
scrape_configs:
- job_name: agent
  honor_labels: true
  params: {module: [a, b]}
  scrape_timeout: 3s
  sample_limit: 0x10
  body_size_limit: 1.5MB
  basic_auth: {username: u, password: p}
  tls_config: {server_name: agent, min_version: TLS12}
  proxy_url: http://user:secret@proxy:3128
  static_configs:
  - targets: [localhost:8000, "[::1]:9"]
    labels: {env: prod, yes: on, n: 1e3}
  - targets: []
  relabel_configs:
  - {source_labels: [__address__], target_label: x, regex: "(.*):.*", replacement: "${1}"}
  - {action: HashMod, source_labels: [a, b], modulus: 8, target_label: c, separator: ""}
  metric_relabel_configs:
  - {action: drop, source_labels: [__name__], regex: go_.*}
  - {target_label: d, regex: , replacement: ""}
- &defaults
  job_name: nulls
  honor_timestamps:
  metrics_path:
  scheme:
  authorization: {credentials: abc}
  file_sd_configs: [{files: [targets/*.json, /srv/x.yml]}]
- <<: *defaults
  job_name: merged
  scrape_interval: 1h30m
  sample_limit: 7
- job_name: discovered
  bearer_token: abc
  follow_redirects: no
  http_sd_configs: [{url: "http://localhost/sd", refresh_interval: 90s}]
  oauth2:
remote_write:
- url: https://user:secret@remote/write
  name: first
  headers: {X-Scope-OrgID: team}
  send_exemplars: true
  write_relabel_configs: [{action: labeldrop, regex: "x.*"}]
  queue_config: {max_shards: 3, min_shards: 2, retry_on_http_429: true, batch_send_deadline: 1m30s}
  metadata_config: {send: false}
- url: http://remote/write
  enable_http2: false
"""
NEWER = {
    "global": {"scrape_protocols"},
    "relabel_configs[1]": {"regex"},
    "metric_relabel_configs[1]": {"regex"},
    "remote_write[0]": {"enable_http2"},
    "metadata_config": {"max_samples_per_send"},
    "tls_config": {"min_version"},
    "queue_config": {"max_shards", "capacity", "sample_age_limit", "max_samples_per_send"},
}
"""Keys whose defaults or spelling have changed since 2.42."""


def refusal_of_prometheus(folder: Path, number: int, text: str) -> str:
    file = folder / f"{number}.yml"
    file.write_text(text)
    arguments = [
        f"--config.file={file}",
        "--storage.tsdb.path=/dev/null/none",
        "--web.listen-address=127.0.0.1:0",
    ]
    done = subprocess.run([PROMETHEUS, *arguments], capture_output=True, text=True, check=False, timeout=60)
    found = re.search(r'Error loading config .* err=("(?:[^"\\]|\\.)*")$', done.stderr, re.MULTILINE)
    return str(json.loads(found[1])) if found is not None else "accepted"


def our_refusal(folder: Path, number: int, text: str) -> str:
    try:
        load(text, str(folder / f"{number}.yml"), {})
    except ConfigurationError as error:
        # Prometheus 3 lets `.` match a newline, and shows it.
        return error.in_prometheus_words().replace("^(?s:", "^(?:")
    return "accepted"


def test_prometheus_refuses_the_same_configurations_in_the_same_words(tmp_path: Path) -> None:
    texts = [text for text, _ in TYPE_ERRORS] + [text for text, _, _ in ERRORS]
    with ThreadPoolExecutor(2) as threads:
        theirs = list(
            threads.map(lambda numbered: refusal_of_prometheus(tmp_path, *numbered), enumerate(texts))
        )
    assert [our_refusal(tmp_path, number, text) for number, text in enumerate(texts)] == theirs


@pytest.fixture(scope="module")
def prometheus_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    """The file, and what Prometheus makes of it."""
    folder = tmp_path_factory.mktemp("prometheus")
    file = folder / "prometheus.yml"
    file.write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = [
        f"--config.file={file}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with subprocess.Popen([PROMETHEUS, *arguments], stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if LOADED in line:
                    break
            assert LOADED in lines[-1], "".join(lines)
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/api/v1/status/config", timeout=30
            ) as answer:
                yield str(file), yaml.safe_load(json.load(answer)["data"]["yaml"])
        finally:
            process.kill()


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where we do not say what Prometheus says; what we say besides is newer than 2.42."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key, value in theirs.items():
            if key not in NEWER.get(path.rpartition(".")[2], ()):
                yield from differences(ours.get(key), value, f"{path}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(ours) == len(theirs):
        for number, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(our, their, f"{path}[{number}]")
    elif ours != theirs:
        yield f"{path}: ours {ours!r}, Prometheus' {theirs!r}"


def test_prometheus_understands_a_configuration_as_we_do(prometheus_configuration: tuple[str, Any]) -> None:
    file, theirs = prometheus_configuration
    ours = yaml.safe_load(render(load(GOOD, file, {})))
    found = list(differences(ours, theirs))
    assert found == [], "\n".join(found)


def test_what_we_write_is_read_as_the_same_again() -> None:
    first = load(GOOD, "/p/prometheus.yml", {})
    written = render(first)
    assert render(load(written, "/p/prometheus.yml", {})) == written
