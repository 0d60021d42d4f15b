"""What is recorded around a request: an id, one log line, three metrics. The handlers know nothing of it."""

from __future__ import annotations

import logging
import re
import time
import uuid
from contextvars import ContextVar
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from pillion_agent.logs import REQUESTS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from pillion_agent.api import Model
    from pillion_agent.model import Prediction

_UNLOGGED = frozenset({"/healthz"})
_REQUEST_ID = re.compile(rb"[\w.:+/=-]{1,128}", re.ASCII)
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

# One more series for each of ours, and nobody asks for them.
disable_created_metrics()  # type: ignore[no-untyped-call]

_inference: ContextVar[dict[str, object] | None] = ContextVar("inference", default=None)
"""Fields that the model adds to the log line of the request it works for."""


class Metrics:
    """Of one agent. `path` is the endpoint's pattern, never what a client typed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "agent_requests", "Requests answered.", ["method", "path", "status"], registry=registry
        )
        self.latency = Histogram(
            "agent_request_duration_seconds", "Time to answer.", ["path"], buckets=_BUCKETS, registry=registry
        )
        self.in_flight = Gauge("agent_requests_in_flight", "Requests being answered now.", registry=registry)
        self.predictions = Counter("agent_predictions", "Predictions made.", ["label"], registry=registry)


class RecordedModel:
    """The model, with a note of what it was asked and said. Never the text itself: it may be private."""

    def __init__(self, model: Model, metrics: Metrics) -> None:
        self._model = model
        self._metrics = metrics

    def predict(self, text: str) -> Prediction:
        prediction = self._model.predict(text)
        self._metrics.predictions.labels(prediction.label).inc()
        fields = _inference.get()
        if fields is not None:
            fields.update(text_length=len(text), label=prediction.label, score=prediction.score)
        return prediction


class RecordRequests:
    """ASGI middleware around the whole API."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = logging.getLogger(REQUESTS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _find_request_id(scope)
        fields: dict[str, object] = {}
        token = _inference.set(fields)
        http_status = 500  # what the server sends if the handler raises

        async def send_with_id(message: Message) -> None:
            nonlocal http_status
            if message["type"] == "http.response.start":
                http_status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            with self._metrics.in_flight.track_inprogress():
                await self._app(scope, receive, send_with_id)
        finally:
            _inference.reset(token)
            self._record(scope, request_id, http_status, time.perf_counter() - started, fields)

    def _record(
        self, scope: Scope, request_id: str, http_status: int, seconds: float, fields: dict[str, object]
    ) -> None:
        path = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(scope["method"], path, http_status).inc()
        self._metrics.latency.labels(path).observe(seconds)
        if path in _UNLOGGED:
            return
        is_success = http_status < 400
        line = {
            "request_id": request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": "success" if is_success else "error",
            "http_status": http_status,
            "latency_ms": round(seconds * 1000, 3),
            **fields,
        }
        level = logging.INFO if is_success else logging.WARNING if http_status < 500 else logging.ERROR
        self._log.log(level, "request", extra={"fields": line})


def _find_request_id(scope: Scope) -> str:
    """The caller's, when it is a plain token; else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return uuid.uuid4().hex
