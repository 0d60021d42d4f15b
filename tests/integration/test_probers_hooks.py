"""Lifecycle hooks (pkg/kubelet/lifecycle/handlers.go), against a scripted runtime and small loopback servers."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from tests.integration.loopback import closed_port, serving

from pillion.containers.runtime import ExecError, ExecResult, Runtime
from pillion.lifecycle.observation import Hook, Note
from pillion.node.hooks import HookResult, HookRunner
from pillion.node.probers import ProbeTarget
from pillion.plan.podplan import (
    ExecHandler,
    GrpcHandler,
    Handler,
    HttpGetHandler,
    SleepHandler,
    TcpSocketHandler,
)

TARGET = ProbeTarget(container_id="c1", pod_ip="127.0.0.1", container="main", pod="p_ns(uid)")
WHERE = 'for Container "main" in Pod "p_ns(uid)" failed - error: '


class ScriptedExec:
    def __init__(self, answer: ExecResult | ExecError) -> None:
        self.answer = answer
        self.timeouts: list[float | None] = []

    async def exec(
        self,
        container_id: str,
        command: tuple[str, ...],
        *,
        timeout: float | None,
        max_output: int = 10 * 1024,
    ) -> ExecResult:
        self.timeouts.append(timeout)
        if isinstance(self.answer, ExecError):
            raise self.answer
        return self.answer


async def run(handler: Handler, runtime: object = None) -> HookResult:
    return await HookRunner(cast("Runtime", runtime)).run(TARGET, Hook.POST_START, handler)


@pytest.mark.parametrize(
    ("answer", "error", "cause"),
    [
        (ExecResult(exit_code=0, output=b"ignored"), None, ""),
        (
            ExecResult(exit_code=3, output=b"no\n"),
            f"Exec lifecycle hook ([sh -c x]) {WHERE}command 'sh -c x' exited with 3: no\n, message: \"no\\n\"",
            "command 'sh -c x' exited with 3",
        ),
        (ExecError("gone"), f'Exec lifecycle hook ([sh -c x]) {WHERE}gone, message: ""', "gone"),
    ],
)
def test_an_exec_hook_succeeds_with_exit_code_zero(
    answer: ExecResult | ExecError, error: str | None, cause: str
) -> None:
    """The cause is for the story: it carries no output."""
    runtime = ScriptedExec(answer)
    assert asyncio.run(run(ExecHandler(("sh", "-c", "x")), runtime)) == HookResult(error=error, cause=cause)
    assert runtime.timeouts == [None], "the kubelet gives an exec hook no timeout"


def serve_and_run(answer: bytes, **fields: object) -> tuple[HookResult, int, list[bytes]]:
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opening = await reader.read(65536)
        requests.append(opening)
        writer.write(answer)
        writer.write_eof()
        await reader.read()

    async def go() -> tuple[HookResult, int, list[bytes]]:
        async with serving(serve) as port:
            return await run(HttpGetHandler(**({"port": port, "path": "/stop"} | fields))), port, requests

    return asyncio.run(go())


@pytest.mark.parametrize(
    "status", ["200 OK", "404 Not Found", "500 Oops", "302 Found\r\nLocation: http://else.where/"]
)
def test_any_http_response_is_success(status: str) -> None:
    result, _, requests = serve_and_run(f"HTTP/1.1 {status}\r\n\r\n".encode())
    assert result == HookResult()
    assert b"User-Agent: kube-lifecycle/1.36\r\n" in requests[0]


def test_a_broken_body_is_no_error() -> None:
    result, _, _ = serve_and_run(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort")
    assert result == HookResult()


def test_no_response_is_an_error() -> None:
    port = closed_port()
    result = asyncio.run(run(HttpGetHandler(port=port, path="/stop")))
    cause = f'Get "http://127.0.0.1:{port}/stop": dial tcp 127.0.0.1:{port}: connect: connection refused'
    assert result.error == f"HTTP lifecycle hook (/stop) {WHERE}{cause}"


def test_https_to_a_plain_server_is_asked_again_without_tls_and_without_credentials() -> None:
    headers = (("Authorization", "Bearer x"), ("X-A", "b"))
    result, port, requests = serve_and_run(b"HTTP/1.1 400 Bad\r\n\r\n", scheme="HTTPS", headers=headers)
    text = f"request to HTTPS lifecycle hook 127.0.0.1:{port} got HTTP response, retry with HTTP succeeded"
    assert result == HookResult(notes=(Note(type="Warning", reason="LifecycleHTTPFallback", message=text),))
    assert requests[-1].startswith(b"GET /stop HTTP/1.1\r\n")
    assert b"X-A: b\r\n" in requests[-1]
    assert b"Authorization" not in requests[-1]


def test_an_unknown_port_name_is_an_error() -> None:
    result = asyncio.run(run(HttpGetHandler(port="web", path="/stop")))
    assert result.error == f'HTTP lifecycle hook (/stop) {WHERE}strconv.Atoi: parsing "web": invalid syntax'


def test_sleep_takes_its_time_on_the_loops_clock() -> None:
    async def go() -> float:
        loop = asyncio.get_running_loop()
        started = loop.time()
        assert await run(SleepHandler(0)) == HookResult()
        async with asyncio.timeout(0.05) as limit:
            await run(SleepHandler(30))
        assert limit.expired()
        return loop.time() - started

    with pytest.raises(TimeoutError):
        asyncio.run(go())


@pytest.mark.parametrize(
    ("handler", "name"), [(TcpSocketHandler(port=1), "tcpSocket"), (GrpcHandler(port=1), "grpc")]
)
def test_handlers_the_kubelet_has_no_code_for_fail(handler: Handler, name: str) -> None:
    assert asyncio.run(run(handler)).error == f"Cannot run handler: invalid handler: {name}"
