"""Runs postStart and preStop handlers (pkg/kubelet/lifecycle/handlers.go: Run).

A hook has no timeout of its own: the caller of a preStop waits for at most the grace period, and a postStart
may take for ever.
"""

from __future__ import annotations

import asyncio
from typing import assert_never

import msgspec

from pillion.containers.runtime import ExecError, Runtime
from pillion.lifecycle.observation import Hook, Note
from pillion.node.probers.httpget import (
    BodyError,
    GetError,
    Purpose,
    Request,
    UnknownPortError,
    build_request,
    get,
)
from pillion.node.probers.prober import OUTPUT_LIMIT, ProbeTarget
from pillion.node.probers.spelling import quote
from pillion.plan.podplan import (
    ExecHandler,
    GrpcHandler,
    Handler,
    HttpGetHandler,
    SleepHandler,
    TcpSocketHandler,
)

_NOT_TLS = "server gave HTTP response to HTTPS client"


class HookResult(msgspec.Struct, frozen=True, kw_only=True):
    error: str | None = None
    """None: success. The text becomes the message of waiting reason PostStartHookError. The Events `PostStartHook
    failed` and `PreStopHook failed` do not carry it: the hook's output is in it, and may hold secrets."""
    cause: str = ""
    """What went wrong, without any output: for the story."""
    notes: tuple[Note, ...] = ()


class HookRunner:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def run(
        self,
        target: ProbeTarget,
        hook: Hook,  # noqa: ARG002 - both kinds run alike; a scripted runner tells them apart
        handler: Handler,
    ) -> HookResult:
        """Errors are results. Cancelling ends an exec's process too."""
        match handler:
            case ExecHandler():
                return await self._run_exec(target, handler)
            case HttpGetHandler():
                return await _run_http(target, handler)
            case SleepHandler():
                await asyncio.sleep(handler.seconds)
                return HookResult()
            case TcpSocketHandler() | GrpcHandler():
                # The API accepts tcpSocket for compatibility; the kubelet has no code for it.
                text = f"Cannot run handler: invalid handler: {_name(handler)}"
                return HookResult(error=text, cause=text)
            case _:
                assert_never(handler)

    async def _run_exec(self, target: ProbeTarget, handler: ExecHandler) -> HookResult:
        words = " ".join(handler.command)
        output = ""
        try:
            result = await self._runtime.exec(
                target.container_id, handler.command, timeout=None, max_output=OUTPUT_LIMIT
            )
        except ExecError as error:
            cause = error_text = str(error)
        else:
            if result.exit_code == 0:
                return HookResult()
            output = result.output.decode(errors="replace")
            cause = f"command '{words}' exited with {result.exit_code}"
            error_text = f"{cause}: {output}"
        failed = _failed("Exec", f"[{words}]", target, f"{error_text}, message: {quote(output)}")
        return msgspec.structs.replace(failed, cause=cause)


async def _run_http(target: ProbeTarget, handler: HttpGetHandler) -> HookResult:
    """Any response is success, whatever its status. A server without TLS is asked again in plain text."""
    try:
        request = build_request(handler, ip=target.pod_ip, ports=target.ports, purpose=Purpose.LIFECYCLE)
    except UnknownPortError as error:
        return _failed("HTTP", handler.path, target, str(error))
    try:
        await _send(request)
    except GetError as error:
        if error.cause.endswith(_NOT_TLS) and await _succeeds_in_plain_text(request):
            return HookResult(notes=(_fallback_note(request),))
        return _failed("HTTP", handler.path, target, str(error))
    return HookResult()


async def _succeeds_in_plain_text(request: Request) -> bool:
    """Without the Authorization header: it was meant for an encrypted connection."""
    headers = tuple((name, value) for name, value in request.headers if name != "Authorization")
    plain = Request(url="http" + request.url.removeprefix("https"), headers=headers, host=request.host)
    try:
        await _send(plain)
    except GetError:
        return False
    return True


async def _send(request: Request) -> None:
    """handlers.go: discardHTTPRespBody reads the body and forgets what went wrong with it."""
    try:
        await get(request, timeout=None)
    except BodyError:
        return


def _fallback_note(request: Request) -> Note:
    host = request.url.partition("://")[2].partition("/")[0]
    text = f"request to HTTPS lifecycle hook {host} got HTTP response, retry with HTTP succeeded"
    return Note(type="Warning", reason="LifecycleHTTPFallback", message=text)


def _failed(kind: str, what: str, target: ProbeTarget, cause: str) -> HookResult:
    where = f"for Container {quote(target.container)} in Pod {quote(target.pod)}"
    return HookResult(error=f"{kind} lifecycle hook ({what}) {where} failed - error: {cause}", cause=cause)


def _name(handler: TcpSocketHandler | GrpcHandler) -> str:
    return "tcpSocket" if isinstance(handler, TcpSocketHandler) else "grpc"
