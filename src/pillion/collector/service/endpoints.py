"""Which path answers what."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from pillion.collector.service import metrics, report
from pillion.collector.service.health import HealthWindow, why_not_ready
from pillion.collector.service.view import View
from pillion.http.server import Asked, Response

JSON = "application/json"
TEXT = "text/plain"
PROMETHEUS = "text/plain; version=0.0.4"


class Endpoints:
    def __init__(
        self, view: View, *, hostname: str, version: str, health: HealthWindow | None, ready_limit: float
    ) -> None:
        """`health` is None with `health_check` off: there is no such path then. `ready_limit` in seconds; 0: always."""
        self.health = health
        self._view = view
        self._hostname = hostname
        self._version = version
        self._ready_limit = ready_limit

    async def respond(self, request: Asked) -> Response:
        method = request.method
        path = request.target.partition("?")[0]
        path = path.rstrip("/") or "/"
        if path == "/api/v2/reload":
            return await self._reload(method)
        if method not in ("GET", "HEAD"):
            return Response(status=HTTPStatus.METHOD_NOT_ALLOWED, type=TEXT, body=b"only GET\n")
        return self._show(path)

    def _show(self, path: str) -> Response:
        view = self._view
        match path:
            case "/":
                return _json(report.root(self._version))
            case "/api/v1/uptime":
                return _json(report.uptime(view))
            case "/api/v1/metrics":
                return _json(metrics.version_1(view))
            case "/api/v1/metrics/prometheus":
                return Response(type=PROMETHEUS, body=metrics.prometheus_1(view).encode())
            case "/api/v2/metrics":
                found = metrics.families(view, self._hostname)
                return Response(type=TEXT, body=metrics.text_2(found, view.now).encode())
            case "/api/v2/metrics/prometheus":
                found = metrics.families(view, self._hostname)
                return Response(type=PROMETHEUS, body=metrics.prometheus_2(found).encode())
            case "/api/v1/storage":
                return _json(report.storage(view))
            case "/api/v1/health" | "/api/v2/health" if self.health is not None:
                return self._healthy(self.health, detailed=path == "/api/v2/health")
            case "/ready":
                why = self._why_not_ready()
                status = HTTPStatus.SERVICE_UNAVAILABLE if why else HTTPStatus.OK
                return Response(
                    status=status, type=TEXT, body="".join(f"{line}\n" for line in why or ["ready"]).encode()
                )
            case "/api/v1/status":
                return _json(report.status(view, self._why_not_ready()))
            case _:
                return Response(status=HTTPStatus.NOT_FOUND, type=TEXT, body=b"not found\n")

    def _healthy(self, window: HealthWindow, *, detailed: bool) -> Response:
        health = window.judge(self._view.outputs, self._view.now)
        status = HTTPStatus.OK if health.is_healthy else HTTPStatus.INTERNAL_SERVER_ERROR
        word = "ok" if health.is_healthy else "error"
        if not detailed:
            return Response(status=status, type=TEXT, body=f"{word}\n".encode())
        numbers = {
            "status": word,
            "errors": health.errors,
            "retries_failed": health.retries_failed,
            "error_limit": window.limits.errors,
            "retry_failure_limit": window.limits.retry_failures,
            "period_limit": int(window.limits.period),
        }
        return _json(numbers, status)

    def _why_not_ready(self) -> list[str]:
        if self._view.is_stopping:
            return ["ending"]
        if not self._ready_limit:
            return []
        return why_not_ready(self._view.outputs, now=self._view.now, limit=self._ready_limit)

    async def _reload(self, method: str) -> Response:
        """As src/http_server/api/v2/reload.c, but the answer waits for the outcome."""
        view = self._view
        if method == "GET":
            return _json({"hot_reload_count": view.reloads})
        if method not in ("PUT", "POST"):
            return Response(status=HTTPStatus.BAD_REQUEST, type=JSON)
        if not view.may_reload:
            return _json({"reload": "not enabled", "status": -1})
        if view.is_reloading:
            return _json({"reload": "in progress", "status": -2}, HTTPStatus.BAD_REQUEST)
        if wrong := await view.reload():
            return _json({"reload": "failed", "status": -3, "error": wrong}, HTTPStatus.BAD_REQUEST)
        return _json({"reload": "done", "status": 0})


def _json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status=status, type=JSON, body=orjson.dumps(value))
