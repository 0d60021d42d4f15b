"""`kubectl debug`: a container beside those that run, in the process namespace of one of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.lab import a_pod, shell
from tests.e2e.lab import server as a_server
from tests.e2e.served import Served, needs_kubectl, served

pytestmark = [pytest.mark.host, needs_kubectl]

DEBUG = ("debug", "--image=box", "--profile=general", "--container=look", "--quiet")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("debug")) as running:
        yield running


def _look(server: Served, pod: str, state: str) -> None:
    where = f"jsonpath={{.status.ephemeralContainerStatuses[0].state.{state}}}"
    server.kubectl("wait", f"--for={where}", f"pod/{pod}", "--timeout=10s")


def test_a_debugger_sees_the_processes_of_its_target(server: Served) -> None:
    server.apply(a_pod("seen", a_server("main"), shell("other", "exec sleep 1234")))
    server.wait_ready("seen")
    server.kubectl(*DEBUG, "seen", "--target=other", "--", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline")
    _look(server, "seen", "terminated")
    assert server.kubectl("logs", "seen", "-c", "look") == "sleep 1234 "


def test_without_a_target_it_sees_itself(server: Served) -> None:
    server.apply(a_pod("alone", a_server("main")))
    server.wait_ready("alone")
    server.kubectl(*DEBUG, "alone", "--", "cat", "/proc/1/comm")
    _look(server, "alone", "terminated")
    assert server.kubectl("logs", "alone", "-c", "look") == "cat\n"


def test_a_target_that_has_ended_cannot_be_joined(server: Served) -> None:
    pod = a_pod("half", a_server("main"), shell("over", "exit 0"))
    pod["spec"]["restartPolicy"] = "Never"
    server.apply(pod)
    ended = "jsonpath={.status.containerStatuses[1].state.terminated.exitCode}=0"
    server.kubectl("wait", f"--for={ended}", "pod/half", "--timeout=10s")
    server.kubectl(*DEBUG, "half", "--target=over", "--", "true")
    _look(server, "half", "waiting.message")
    (status,) = server.get("pod", "half")["status"]["ephemeralContainerStatuses"]
    assert status["state"]["waiting"]["reason"] == "CreateContainerError"
    message = status["state"]["waiting"]["message"]
    assert "spec: invalid target container: container " in message
    assert message.endswith(" is not running - in state CONTAINER_EXITED")


def test_a_target_that_is_not_there_is_refused(server: Served) -> None:
    server.apply(a_pod("none", a_server("main")))
    server.wait_ready("none")
    assert 'spec.ephemeralContainers[0].targetContainerName: Not found: "nope"' in server.fails(
        *DEBUG, "none", "--target=nope", "--", "true"
    )
