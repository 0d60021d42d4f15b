"""Events about our own Pod on their way to the API server: in the background, so that nothing else ever waits.

    kubectl describe pod agent
      Warning  ProxyConfigurationRefused  3s  pillion-proxy  what was there goes on serving: …

Requests are sent by a forked child: HTTP and TLS lie in nobody's memory between two Events, and we stay of one thread,
as forks need us to be.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

import msgspec

from pillion.errors import PillionError
from pillion.proxy.application.apart import ApartWork
from pillion.proxy.application.eventrecords import COMPONENT, EventCounts, Notice, Recorder, Sending, Verdict
from pillion.proxy.application.incluster import AUTHORITIES, TOKEN, ApiServer, pod_of
from pillion.proxy.application.messages import LOG

if TYPE_CHECKING:
    from pillion.clock import Clock
    from pillion.http.message import Answer

RETRY = 10.0
"""Seconds until what could not be sent is sent again (event.go: defaultSleepDuration)."""
CONNECT_TIMEOUT = 3.0
ANSWER_TIMEOUT = 5.0
DEADLINE = 15
"""Seconds for all that waits."""
_ANSWER_LIMIT = 64 << 10
_NEEDED = "its service account needs a Role with the verbs create and patch on events"


class _Reply(msgspec.Struct, frozen=True):
    """To one request."""

    status: int | None
    text: str
    """Why not."""


class Events:
    def __init__(
        self, server: ApiServer | None, counts: EventCounts, clock: Clock, *, retry: float = RETRY
    ) -> None:
        """`server` None: nobody is told. `retry` is in seconds."""
        self._server = server
        self._clock = clock
        self._retry = retry
        self._recorder = Recorder(counts)
        self._news = asyncio.Event()
        self._log = logging.getLogger(f"{LOG}.events")
        self._said = ""
        """What was logged last of why nothing is written; nothing: all is."""

    def tell(self, notice: Notice) -> None:
        """Never waits and never fails."""
        if self._server is not None:
            self._recorder.add(notice, self._clock.now())
            self._news.set()

    async def run(self) -> None:
        """For ever. May be cancelled and called again."""
        while self._server is not None:
            self._news.clear()
            if self._recorder.is_idle:
                await self._news.wait()
            elif await self._deliver(self._server) is Verdict.LATER:
                await asyncio.sleep(self._retry)
        await asyncio.Event().wait()

    async def _deliver(self, server: ApiServer) -> Verdict:
        """Send what is there. LATER: some of it could not be."""
        try:
            token = Path(server.credentials, TOKEN).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return self._do_without(f"there is no token in {server.credentials}")
        pod = pod_of(token)
        if pod is None:
            return self._do_without(f"the token in {server.credentials} is bound to no Pod")
        sendings = self._recorder.due(pod)
        replies = await _send_apart(server, token, sendings)
        outcome = Verdict.WRITTEN
        for sending, reply in zip(sendings, replies, strict=True):
            verdict = self._recorder.judge(sending, reply.status)
            self._tell_of(verdict, sending.notice, reply)
            if verdict is Verdict.LATER:
                outcome = verdict
        return outcome

    def _do_without(self, why: str) -> Verdict:
        self._log.debug("no Events are written: %s", why)
        self._recorder.clear()
        return Verdict.WRITTEN

    def _tell_of(self, verdict: Verdict, notice: Notice, reply: _Reply) -> None:
        """Each cause once, until something is written again."""
        match verdict:
            case Verdict.WRITTEN:
                self._said = ""
                return
            case Verdict.AGAIN:
                return
            case Verdict.FORBIDDEN:
                text = f"Events cannot be written: {_NEEDED}: {reply.text}"
            case Verdict.LATER:
                text = f"Events cannot be written now, and are sent again later: {reply.text}"
            case Verdict.REFUSED | Verdict.GIVEN_UP:
                text = f"an Event {notice.reason} cannot be written: {reply.text}"
            case _:
                assert_never(verdict)
        if text != self._said:
            self._said = text
            self._log.warning("%s", text)


async def _send_apart(server: ApiServer, token: str, sendings: list[Sending]) -> list[_Reply]:
    """In the order of the requests. Raises nothing: whatever goes wrong is why there is no answer."""
    try:
        child = ApartWork(lambda: _send(server, token, sendings))
    except OSError as error:  # no more processes
        return _unanswered(f"cannot fork: {error.strerror}", len(sendings))
    try:
        async with asyncio.timeout(DEADLINE):
            return msgspec.msgpack.decode(await child.answer(), type=list[_Reply])
    except TimeoutError:
        return _unanswered(f"{server.host}:{server.port} has not answered within {DEADLINE} s", len(sendings))
    except PillionError as error:
        return _unanswered(str(error), len(sendings))
    finally:
        child.close()


def _unanswered(why: str, number: int) -> list[_Reply]:
    return [_Reply(None, why)] * number


def _send(server: ApiServer, token: str, sendings: list[Sending]) -> bytes:
    """In the child."""
    signal.alarm(DEADLINE + 1)  # should nobody be left to end us
    from pillion.http.failure import SettingError
    from pillion.http.message import Answer, NoAnswer, Request
    from pillion.http.sender import ConnectionSettings, HttpSender, Server
    from pillion.http.tls import TlsSettings, client_context

    try:
        tls = client_context(TlsSettings(ca_file=str(Path(server.credentials, AUTHORITIES))))
    except SettingError as error:
        return msgspec.msgpack.encode(_unanswered(str(error), len(sendings)))
    net = ConnectionSettings(connect_timeout=CONNECT_TIMEOUT, io_timeout=ANSWER_TIMEOUT, agent=COMPONENT)
    sender = HttpSender(Server(host=server.host, port=server.port, tls=tls), net, answer_limit=_ANSWER_LIMIT)
    replies: list[_Reply] = []
    for sending in sendings:
        request = Request(
            path=sending.path,
            body=sending.body,
            method=sending.method,
            headers=(("Content-Type", sending.type), ("Accept", "application/json")),
        )
        outcome = sender.send(request, (("Authorization", f"Bearer {token}"),))
        match outcome:
            case Answer():
                replies.append(_Reply(outcome.status, _why(outcome)))
            case NoAnswer():
                # The others would wait as long, and get none.
                replies += _unanswered(outcome.reason, len(sendings) - len(replies))
                break
            case _:
                assert_never(outcome)
    sender.close()
    return msgspec.msgpack.encode(replies)


class _Status(msgspec.Struct):
    message: str = ""


def _why(answer: Answer) -> str:
    if answer.is_success:
        return ""
    try:
        message = msgspec.json.decode(answer.body, type=_Status).message
    except msgspec.MsgspecError:
        message = answer.text()
    return f"{answer.status} {message}".rstrip()
