"""Exec probes, and what a prober does when it cannot ask (pkg/probe/exec, prober.go: runProbeWithRetries)."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from pillion.containers.runtime import ExecError, ExecResult, Runtime
from pillion.lifecycle.observation import ProbeKind, ProbeOutcome
from pillion.node.probers import Prober, ProbeResult, ProbeTarget
from pillion.plan.podplan import (
    ExecHandler,
    Handler,
    HttpGetHandler,
    ProbePlan,
    SleepHandler,
    TcpSocketHandler,
)

TARGET = ProbeTarget(container_id="c1", pod_ip="127.0.0.1", container="main", pod="p_default(uid)")


class ScriptedExec:
    """A runtime of which only `exec` is asked: it answers from a list."""

    def __init__(self, *answers: ExecResult | ExecError) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, tuple[str, ...], float | None]] = []

    async def exec(
        self,
        container_id: str,
        command: tuple[str, ...],
        *,
        timeout: float | None,
        max_output: int = 10 * 1024,
    ) -> ExecResult:
        self.asked.append((container_id, command, timeout))
        answer = self.answers.pop(0)
        if isinstance(answer, ExecError):
            raise answer
        return answer


def probe(runtime: ScriptedExec, handler: Handler, timeout: int = 1) -> ProbeResult:
    prober = Prober(cast("Runtime", runtime))
    return asyncio.run(prober.probe(TARGET, ProbeKind.LIVENESS, ProbePlan(handler=handler, timeout=timeout)))


@pytest.mark.parametrize(
    ("result", "outcome", "message"),
    [
        (ExecResult(exit_code=0, output=b"fine\n"), ProbeOutcome.SUCCESS, "fine\n"),
        (ExecResult(exit_code=1, output=b"no\n"), ProbeOutcome.FAILURE, "no\n"),
        (ExecResult(exit_code=2, output=b"\xff"), ProbeOutcome.FAILURE, "\N{REPLACEMENT CHARACTER}"),
        (ExecResult(exit_code=1, output=b"x" * 20000), ProbeOutcome.FAILURE, "x" * 10240),
        (
            ExecResult(exit_code=137, output=b"half", timed_out=True),
            ProbeOutcome.FAILURE,
            'command timed out: "cat /tmp/\\"x" timed out after 1m30s',
        ),
    ],
)
def test_the_exit_code_decides_and_the_output_is_the_message(
    result: ExecResult, outcome: ProbeOutcome, message: str
) -> None:
    runtime = ScriptedExec(result)
    answer = probe(runtime, ExecHandler(("cat", '/tmp/"x')), timeout=90)
    assert answer == ProbeResult(outcome=outcome, message=message)
    assert runtime.asked == [("c1", ("cat", '/tmp/"x'), 90)]


def test_a_runtime_that_cannot_exec_is_asked_three_times_and_then_nothing_is_known() -> None:
    runtime = ScriptedExec(
        ExecError("a"), ExecError("b"), ExecError("c"), ExecResult(exit_code=0, output=b"")
    )
    assert probe(runtime, ExecHandler(("x",))) == ProbeResult(outcome=ProbeOutcome.UNKNOWN, message="c")
    assert len(runtime.asked) == 3


def test_a_runtime_that_recovers_within_three_tries_gives_its_verdict() -> None:
    runtime = ScriptedExec(ExecError("a"), ExecError("b"), ExecResult(exit_code=0, output=b""))
    assert probe(runtime, ExecHandler(("x",))).outcome is ProbeOutcome.SUCCESS


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (HttpGetHandler(port="web"), 'strconv.Atoi: parsing "web": invalid syntax'),
        (TcpSocketHandler(port="web"), 'strconv.Atoi: parsing "web": invalid syntax'),
        (SleepHandler(1), "missing probe handler for p_default(uid):main"),
    ],
)
def test_a_probe_that_cannot_be_asked_says_nothing_about_the_container(
    handler: Handler, message: str
) -> None:
    answer = probe(ScriptedExec(), handler)
    assert answer == ProbeResult(outcome=ProbeOutcome.UNKNOWN, message=message)
