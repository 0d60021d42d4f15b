"""exec and attach over WebSocket (kubelet: pkg/cri/streaming/remotecommand; apiserver: pkg/util/proxy/websocket.go).

Channels 0, 1 and 2 are stdin, stdout and stderr; 3 carries how it ended, as a Status; 4 the sizes of the client's
terminal. Once a client is let in, everything that goes wrong is told on channel 3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from pillion.apiserver.nodeproxy import STDERR, STDIN, STDOUT, ExecFailed, NodeRefusal, Session
from pillion.apiserver.seams import StreamRequest
from pillion.apiserver.statuses import bad_request, internal_error
from pillion.apiserver.streams import query
from pillion.apiserver.streams.channels import V1, V4, V5, Channels
from pillion.apiserver.streams.pods import choose_container, pod_ref, require_node
from pillion.apiserver.streams.websocket import HungUp, WebSocket, require_websocket

ERROR, RESIZE = 3, 4
PULSE = 5.0
"""Seconds between two empty messages to a client while its stdin is not being read. Nothing is read from the client
then, so this is how its hanging up is noticed."""

Tree = dict[str, Any]
Open = Callable[[], Awaitable[Session]]


class Wants(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the streams the client has asked for."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


class TerminalSize(msgspec.Struct):
    """client-go's remotecommand.TerminalSize, spelled as Go spells it."""

    width: int = msgspec.field(name="Width", default=0)
    height: int = msgspec.field(name="Height", default=0)


async def serve_exec(request: StreamRequest) -> None:
    """Raises ApiError before the first byte."""
    pod = request.object
    wants = _wants(request.query)
    container = choose_container(pod, query.text(request.query, "container"))
    command = request.query.get("command", ())
    require_node(pod)
    if not command:
        raise bad_request("you must specify at least one command for the container")
    uid = pod_ref(pod).uid

    async def open_session() -> Session:
        return await request.node.exec(uid, container, command, tty=wants.tty, stdin=wants.stdin)

    await _serve(request, wants, open_session, command)


async def serve_attach(request: StreamRequest) -> None:
    """Raises ApiError before the first byte."""
    pod = request.object
    wants = _wants(request.query)
    container = choose_container(pod, query.text(request.query, "container"))
    require_node(pod)
    uid = pod_ref(pod).uid

    async def open_session() -> Session:
        return await request.node.attach(uid, container, tty=wants.tty, stdin=wants.stdin)

    await _serve(request, wants, open_session, ())


def _wants(asked: query.Query) -> Wants:
    """Raises ApiError."""
    tty = query.flag(asked, "tty")
    wants = Wants(
        stdin=query.flag(asked, "stdin"),
        stdout=query.flag(asked, "stdout"),
        stderr=query.flag(asked, "stderr") and not tty,  # a terminal has one output
        tty=tty,
    )
    if not (wants.stdin or wants.stdout or wants.stderr):
        raise bad_request("you must specify at least 1 of stdin, stdout, stderr")
    return wants


async def _serve(request: StreamRequest, wants: Wants, open_session: Open, command: tuple[str, ...]) -> None:
    require_websocket(request.scope)
    websocket = WebSocket(request.scope, request.receive, request.send)
    await websocket.open((V5, *V4, *V1))
    channels = Channels(websocket)
    try:
        status = await _hold(channels, wants, open_session, command)
        await channels.send(ERROR, _encode(status, with_status=websocket.subprotocol not in V1))
    except HungUp:
        return
    await websocket.close()


async def _hold(channels: Channels, wants: Wants, open_session: Open, command: tuple[str, ...]) -> Tree:
    """The whole conversation; how it ended. Raises HungUp."""
    try:
        session = await open_session()
    except NodeRefusal as refusal:
        return _failure(f"unable to upgrade connection: {refusal}")
    except ExecFailed as failure:
        return _failure(f"error executing command in container: {failure}")
    try:
        # Tells the client that the connection stands. Not before: client-go 1.32 reads a little earlier than it is
        # ready to, and complains on the user's terminal.
        await channels.send(STDOUT if wants.stdout else STDERR if wants.stderr else ERROR, b"")
        await _converse(channels, wants, session)
        code = await session.wait()
    finally:
        await session.close()
    return _success() if not code else _exit_status(command, code)


async def _converse(channels: Channels, wants: Wants, session: Session) -> None:
    """Returns at the end of the output. Raises HungUp."""
    conversation = _Conversation(channels, wants, session)
    async with asyncio.TaskGroup() as tasks:
        speaking = tasks.create_task(conversation.speak())
        listening = tasks.create_task(conversation.listen())
        pulse = tasks.create_task(conversation.pulse())
        done, rest = await asyncio.wait((speaking, listening, pulse), return_when=asyncio.FIRST_COMPLETED)
        for task in rest:
            task.cancel()
    if speaking not in done or not speaking.result():
        raise HungUp


class _Conversation:
    def __init__(self, channels: Channels, wants: Wants, session: Session) -> None:
        self._channels = channels
        self._session = session
        self._wants = wants
        self._outputs = {STDOUT: wants.stdout, STDERR: wants.stderr}
        self._is_blocked = False

    async def speak(self) -> bool:
        """The session's output to the client. False when the client has gone."""
        try:
            async for stream, data in self._session.output():
                if self._outputs[stream]:
                    await self._channels.send(stream, data)
        except HungUp:
            return False
        return True

    async def listen(self) -> None:
        """The client's messages to the session, until it has gone."""
        try:
            while True:
                received = await self._channels.receive()
                if received.channel == RESIZE and self._wants.tty:
                    await self._resize(received.data)
                elif received.channel == STDIN and self._wants.stdin:
                    self._is_blocked = True
                    if received.is_close:
                        await self._session.close_stdin()
                    else:
                        await self._session.write(received.data)
                    self._is_blocked = False
        except HungUp:
            return

    async def pulse(self) -> None:
        """Until the client is found gone while it is not listened to."""
        channel = STDOUT if self._wants.stdout else ERROR
        try:
            while True:
                await asyncio.sleep(PULSE)
                if self._is_blocked:
                    await self._channels.send(channel, b"")
        except HungUp:
            return

    async def _resize(self, data: bytes) -> None:
        try:
            size = msgspec.json.decode(data, type=TerminalSize)
        except msgspec.DecodeError:
            return
        if 0 < size.width < 1 << 16 and 0 < size.height < 1 << 16:
            await self._session.resize(size.width, size.height)


def _success() -> Tree:
    return {"metadata": {}, "status": "Success"}


def _failure(message: str) -> Tree:
    tree = internal_error(message).tree()
    return {name: value for name, value in tree.items() if name not in ("kind", "apiVersion")}


def _exit_status(command: tuple[str, ...], code: int) -> Tree:
    """remotecommand/exec.go: ServeExec, with containerd's words for the error."""
    said = f"error executing command [{' '.join(command)}], exit code {code}"
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {said}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _encode(status: Tree, *, with_status: bool) -> bytes:
    """Before version 4, clients took any text for an error (remotecommand/httpstream.go: v1WriteStatusFunc)."""
    if with_status:
        return msgspec.json.encode(status)
    return str(status.get("message", "")).encode()
