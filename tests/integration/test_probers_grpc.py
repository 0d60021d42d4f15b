"""grpc probes against grpcio's own health service, and against servers that are none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from tests.integration import loopback

from pillion.containers.runtime import Runtime
from pillion.lifecycle.observation import ProbeKind, ProbeOutcome
from pillion.node.probers import Prober, ProbeResult, ProbeTarget
from pillion.plan.podplan import GrpcHandler, ProbePlan

STATUS = health_pb2.HealthCheckResponse


@asynccontextmanager
async def serving(servicer: health_pb2_grpc.HealthServicer | None) -> AsyncIterator[int]:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    if servicer is not None:
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def ask(port: int, service: str = "", timeout: int = 1) -> ProbeResult:
    target = ProbeTarget(container_id="c", pod_ip="127.0.0.1")
    plan = ProbePlan(handler=GrpcHandler(port=port, service=service), timeout=timeout)
    return await Prober(cast("Runtime", None)).probe(target, ProbeKind.LIVENESS, plan)


@pytest.mark.parametrize(
    ("status", "outcome", "message"),
    [
        (STATUS.SERVING, ProbeOutcome.SUCCESS, "service healthy"),
        (STATUS.NOT_SERVING, ProbeOutcome.FAILURE, 'service unhealthy (responded with "NOT_SERVING")'),
        (STATUS.UNKNOWN, ProbeOutcome.FAILURE, 'service unhealthy (responded with "UNKNOWN")'),
        (
            STATUS.SERVICE_UNKNOWN,
            ProbeOutcome.FAILURE,
            'service unhealthy (responded with "SERVICE_UNKNOWN")',
        ),
    ],
)
def test_the_serving_status_decides(status: int, outcome: ProbeOutcome, message: str) -> None:
    async def run() -> ProbeResult:
        servicer = health_aio.HealthServicer()
        await servicer.set("agent", status)
        async with serving(servicer) as port:
            return await ask(port, "agent")

    assert asyncio.run(run()) == ProbeResult(outcome=outcome, message=message)


def test_the_empty_service_asks_the_whole_server() -> None:
    async def run() -> ProbeResult:
        async with serving(health_aio.HealthServicer()) as port:
            return await ask(port)

    assert asyncio.run(run()).outcome is ProbeOutcome.SUCCESS


def test_a_service_that_the_server_does_not_know_is_an_rpc_error() -> None:
    async def run() -> ProbeResult:
        async with serving(health_aio.HealthServicer()) as port:
            return await ask(port, "nobody" * 40)

    result = asyncio.run(run())
    assert result.outcome is ProbeOutcome.FAILURE
    assert result.message.startswith("error: health rpc probe failed: rpc error: code = NotFound desc = ")


def test_a_server_without_the_health_protocol_says_so() -> None:
    async def run() -> ProbeResult:
        async with serving(None) as port:
            return await ask(port)

    assert asyncio.run(run()).message.startswith(
        "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
    )


def test_a_check_that_takes_too_long_times_out() -> None:
    class Slow(health_pb2_grpc.HealthServicer):
        async def Check(self, request, context):  # noqa: N802 - grpcio's name
            await asyncio.Event().wait()

    async def run() -> ProbeResult:
        async with serving(Slow()) as port:
            return await ask(port)

    assert asyncio.run(run()) == ProbeResult(
        outcome=ProbeOutcome.FAILURE, message="timeout: health rpc did not complete within 1s"
    )


def test_a_refused_connection_is_tried_until_the_timeout() -> None:
    port = loopback.closed_port()
    text = f'timeout: failed to connect service "127.0.0.1:{port}" within 1s: context deadline exceeded'
    assert asyncio.run(ask(port)) == ProbeResult(outcome=ProbeOutcome.FAILURE, message=text)


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_does_not_speak_http2_is_never_connected(greeting: bytes) -> None:
    async def run() -> ProbeResult:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            await reader.read()

        async with loopback.serving(serve) as port:
            return await ask(port)

    result = asyncio.run(run())
    assert result.outcome is ProbeOutcome.FAILURE
    assert result.message.startswith('timeout: failed to connect service "127.0.0.1:')
