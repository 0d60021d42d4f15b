"""One attempt of a probe: the handler's own rules, and what their ends mean (pkg/kubelet/prober/prober.go).

Thresholds, delays and holds belong to `lifecycle`; here a question is asked and answered.
"""

from __future__ import annotations

import asyncio
from typing import assert_never

import msgspec

from pillion.containers.runtime import ExecError, Runtime
from pillion.lifecycle.observation import ProbeKind, ProbeOutcome
from pillion.node.probers.connection import NetError, dial
from pillion.node.probers.grpc import check_health
from pillion.node.probers.httpget import (
    BodyError,
    GetError,
    Purpose,
    UnknownPortError,
    build_request,
    get,
    resolve_port,
)
from pillion.node.probers.spelling import join_host_port, quote
from pillion.plan.podplan import (
    ExecHandler,
    GrpcHandler,
    Handler,
    HttpGetHandler,
    ProbePlan,
    SleepHandler,
    TcpSocketHandler,
)
from pillion.units import go_duration

OUTPUT_LIMIT = 10 * 1024
"""pkg/probe/exec: maxReadLength."""

_TRIES = 3
"""prober.go: maxProbeRetries."""


class ProbeTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A running container, as probes and hooks reach it."""

    container_id: str
    pod_ip: str
    ports: dict[str, int] = {}
    """The container's named ports."""
    container: str = ""
    pod: str = ""
    """`NAME_NAMESPACE(UID)`. Both names appear in messages only."""


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    outcome: ProbeOutcome
    message: str = ""
    """What follows `Liveness probe failed: `, `… warning: ` or `… in unknown state: `."""
    warning: bool = False


class _ProbeError(Exception):
    """The prober could not do its work: no verdict about the container."""


class Prober:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def probe(
        self,
        target: ProbeTarget,
        kind: ProbeKind,  # noqa: ARG002 - the answer does not depend on it; a scripted prober's does
        probe: ProbePlan,
    ) -> ProbeResult:
        """Ask, up to three times while it cannot be asked. Errors are results: UNKNOWN with their text."""
        error = ""
        for _ in range(_TRIES):
            try:
                return await self._ask(target, probe.handler, probe.timeout)
            except _ProbeError as raised:
                error = str(raised)
        return ProbeResult(outcome=ProbeOutcome.UNKNOWN, message=error)

    async def _ask(self, target: ProbeTarget, handler: Handler, timeout: int) -> ProbeResult:
        match handler:
            case ExecHandler():
                return await self._ask_exec(target, handler, timeout)
            case HttpGetHandler():
                return await _ask_http(target, handler, timeout)
            case TcpSocketHandler():
                return await _ask_tcp(target, handler, timeout)
            case GrpcHandler():
                health = await check_health(target.pod_ip, handler.port, handler.service, timeout)
                return _verdict(health.message, is_success=health.is_serving)
            case SleepHandler():
                raise _ProbeError(f"missing probe handler for {target.pod}:{target.container}")
            case _:
                assert_never(handler)

    async def _ask_exec(self, target: ProbeTarget, handler: ExecHandler, timeout: int) -> ProbeResult:
        try:
            result = await self._runtime.exec(
                target.container_id, handler.command, timeout=timeout, max_output=OUTPUT_LIMIT
            )
        except ExecError as error:
            raise _ProbeError(str(error)) from error
        if result.timed_out:
            # cri-client/pkg/remote_runtime.go: ExecSync
            command = quote(" ".join(handler.command))
            text = f"command timed out: {command} timed out after {go_duration(timeout)}"
            return _verdict(text, is_success=False)
        output = result.output[:OUTPUT_LIMIT].decode(errors="replace")
        return _verdict(output, is_success=result.exit_code == 0)


async def _ask_http(target: ProbeTarget, handler: HttpGetHandler, timeout: int) -> ProbeResult:
    """pkg/probe/http: DoHTTPProbe. The body of a failure is not shown: it may hold secrets."""
    try:
        request = build_request(handler, ip=target.pod_ip, ports=target.ports, purpose=Purpose.PROBE)
        response = await get(request, timeout=timeout)
    except (UnknownPortError, BodyError) as error:
        raise _ProbeError(str(error)) from error
    except GetError as error:
        return _verdict(str(error), is_success=False)
    if not 200 <= response.status < 400:
        return _verdict(f"HTTP probe failed with statuscode: {response.status}", is_success=False)
    body = response.body.decode(errors="replace")
    if response.status >= 300:
        text = f"Probe terminated redirects, Response body: {body}"
        return ProbeResult(outcome=ProbeOutcome.SUCCESS, message=text, warning=True)
    return _verdict(body, is_success=True)


async def _ask_tcp(target: ProbeTarget, handler: TcpSocketHandler, timeout: int) -> ProbeResult:
    try:
        port = resolve_port(handler.port, target.ports)
    except UnknownPortError as error:
        raise _ProbeError(str(error)) from error
    host = handler.host or target.pod_ip
    try:
        async with asyncio.timeout(timeout):
            connection = await dial(host, port)
    except NetError as error:
        return _verdict(str(error), is_success=False)
    except TimeoutError:
        return _verdict(f"dial tcp {join_host_port(host, port)}: i/o timeout", is_success=False)
    connection.close()
    return _verdict("", is_success=True)


def _verdict(message: str, *, is_success: bool) -> ProbeResult:
    return ProbeResult(outcome=ProbeOutcome.SUCCESS if is_success else ProbeOutcome.FAILURE, message=message)
