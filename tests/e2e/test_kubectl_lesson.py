"""The lesson's manifests and commands, verbatim, with the real kubectl; its outputs to the letter."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.architecture.pages import ROOT
from tests.e2e.served import Served, needs_kubectl, needs_new_kubectl, served

pytestmark = [pytest.mark.host, needs_kubectl]

AGENT_WITH_LOGGING = """\
apiVersion: v1
kind: Pod
metadata:
  name: agent-with-logging
spec:
  containers:
  - name: agent
    image: myregistry.azurecr.io/agent:v1
    ports:
    - containerPort: 8000
    volumeMounts:
    - name: log-volume
      mountPath: /var/log/agent
    env:
    - name: LOG_FILE
      value: /var/log/agent/requests.log

  initContainers:
  - name: logging-sidecar
    image: fluent/fluent-bit:latest
    restartPolicy: Always  # <-- Native sidecar: Always restarts
    volumeMounts:
    - name: log-volume
      mountPath: /var/log/agent
    args:
    - -c
    - /fluent-bit/etc/fluent-bit.conf

  volumes:
  - name: log-volume
    emptyDir: {}
"""

AGENT_WITH_SIDECARS = """\
apiVersion: v1
kind: Pod
metadata:
  name: agent-with-sidecars
spec:
  containers:
  - name: agent
    image: myregistry.azurecr.io/agent:v1
    ports:
    - containerPort: 8000
      name: http
    - containerPort: 8001
      name: metrics  # <-- Agent exposes metrics here
    volumeMounts:
    - name: log-volume
      mountPath: /var/log/agent
    env:
    - name: LOG_FILE
      value: /var/log/agent/requests.log

  initContainers:
  - name: logging-sidecar
    image: fluent/fluent-bit:latest
    restartPolicy: Always
    volumeMounts:
    - name: log-volume
      mountPath: /var/log/agent

  - name: metrics-sidecar
    image: prom/prometheus:latest
    restartPolicy: Always
    ports:
    - containerPort: 9090
      name: prometheus
    volumeMounts:
    - name: prometheus-config
      mountPath: /etc/prometheus
    args:
    - --config.file=/etc/prometheus/prometheus.yml

  volumes:
  - name: log-volume
    emptyDir: {}
  - name: prometheus-config
    configMap:
      name: prometheus-config
"""

AGENT_INFERENCE_LOGGER = """\
apiVersion: v1
kind: Pod
metadata:
  name: agent-inference-logger
spec:
  containers:
  - name: agent
    image: myregistry.azurecr.io/agent:v1
    ports:
    - containerPort: 8000
    volumeMounts:
    - name: logs
      mountPath: /var/log/agent
    env:
    - name: LOG_FILE
      value: /var/log/agent/inference.log

  initContainers:
  - name: log-collector
    image: fluent/fluent-bit:latest
    restartPolicy: Always
    volumeMounts:
    - name: logs
      mountPath: /var/log/agent
    - name: fluent-config
      mountPath: /fluent-bit/etc
    args:
    - -c
    - /fluent-bit/etc/fluent-bit.conf

  volumes:
  - name: logs
    emptyDir: {}
  - name: fluent-config
    configMap:
      name: fluent-bit-config
"""

LINE = '{"request": "test", "result": "success"}'
ROW = r"(?P<name>\S+) +(?P<ready>\d/\d) +(?P<status>\S+) +(?P<restarts>\d+) +(?P<age>\d+s)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    images = f"myregistry.azurecr.io/agent:v1={ROOT / 'examples/agent'}"
    with served(tmp_path_factory.mktemp("lesson"), "--image", images) as running:
        yield running


def row(server: Served, pod: str) -> tuple[str, str, str]:
    """Its line in `kubectl get pods`, under the lesson's heading."""
    heading, *lines = server.kubectl("get", "pods", pod).splitlines()
    assert heading.split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    found = re.fullmatch(ROW, lines[0])
    assert found is not None, lines
    return found["ready"], found["status"], found["restarts"]


def deploy(server: Served, name: str, manifest: str) -> None:
    assert server.kubectl("apply", "-f", "-", stdin=manifest) == f"pod/{name} created\n"
    server.wait_ready(name)


def test_the_agent_and_its_logging_sidecar_are_two_of_two(server: Served) -> None:
    deploy(server, "agent-with-logging", AGENT_WITH_LOGGING)
    assert row(server, "agent-with-logging") == ("2/2", "Running", "0")


@needs_new_kubectl
def test_both_containers_see_the_same_logs(server: Served) -> None:
    pod = "agent-with-logging"
    server.kubectl("apply", "-f", "-", stdin=AGENT_WITH_LOGGING)
    server.wait_ready(pod)
    write = f"echo '{LINE}' >> /var/log/agent/requests.log\ncat /var/log/agent/requests.log\nexit\n"
    assert server.kubectl("exec", "-i", pod, "-c", "agent", "--", "sh", stdin=write).splitlines()[-1] == LINE
    read = "cat /var/log/agent/requests.log\nexit\n"
    shown = server.kubectl("exec", "-i", pod, "-c", "logging-sidecar", "--", "sh", stdin=read)
    assert shown.splitlines()[-1] == LINE
    # What the sidecar is for: the line is in its own output.
    server.until(LINE, "logs", "-f", pod, "-c", "logging-sidecar")


def test_three_containers_run_in_one_pod(server: Served) -> None:
    configuration = "prometheus.yml=scrape_configs: []"
    created = server.kubectl("create", "configmap", "prometheus-config", f"--from-literal={configuration}")
    assert created == "configmap/prometheus-config created\n"
    deploy(server, "agent-with-sidecars", AGENT_WITH_SIDECARS)
    assert row(server, "agent-with-sidecars") == ("3/3", "Running", "0")


COLLECTOR = """\
[SERVICE]
    Parsers_File parsers.conf
[INPUT]
    Name  tail
    Path  /var/log/agent/*.log
    Parser json
[OUTPUT]
    Name  stdout
    Match *
    Format json_lines
    json_date_key false
"""


@needs_new_kubectl
def test_the_logs_of_the_collector_are_its_lines(server: Served) -> None:
    server.kubectl("create", "configmap", "fluent-bit-config", f"--from-literal=fluent-bit.conf={COLLECTOR}")
    deploy(server, "agent-inference-logger", AGENT_INFERENCE_LOGGER)
    assert row(server, "agent-inference-logger") == ("2/2", "Running", "0")
    write = f"echo '{LINE}' >> /var/log/agent/inference.log"
    server.kubectl("exec", "agent-inference-logger", "-c", "agent", "--", "sh", "-c", write)
    server.until(LINE, "logs", "-f", "agent-inference-logger", "-c", "log-collector")


def test_a_pod_is_described_with_its_events(server: Served) -> None:
    server.kubectl("apply", "-f", "-", stdin=AGENT_WITH_LOGGING)
    server.wait_ready("agent-with-logging")
    text = server.kubectl("describe", "pod", "agent-with-logging")
    assert re.search(r"(?m)^Status: +Running$", text)
    reasons = re.findall(r"(?m)^  Normal +(\w+) ", text)
    assert reasons[0] == "Scheduled"
    assert reasons.count("Started") == 2


def test_deleting_says_so_and_waits(server: Served) -> None:
    server.kubectl("apply", "-f", "-", stdin=AGENT_WITH_LOGGING)
    server.wait_ready("agent-with-logging")
    assert server.kubectl("delete", "pod", "agent-with-logging") == 'pod "agent-with-logging" deleted\n'
    assert server.fails("get", "pod", "agent-with-logging") == (
        'Error from server (NotFound): pods "agent-with-logging" not found\n'
    )
