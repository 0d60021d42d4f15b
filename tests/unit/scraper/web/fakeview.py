"""A scraper that is only what the web server sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec

from pillion.http.server import Asked, Response
from pillion.scraper.configuration import Configuration, Flags, GlobalConfig
from pillion.scraper.samples import Window
from pillion.scraper.web import ActiveTarget, DroppedTarget, Routes
from pillion.units import Instant


class FixedClock:
    def __init__(self, now: float) -> None:
        self.at = now

    def now(self) -> Instant:
        return Instant(self.at)


class FakeTargets:
    def __init__(self, active: Sequence[ActiveTarget] = (), dropped: Sequence[DroppedTarget] = ()) -> None:
        self._active, self._dropped = active, dropped

    def pools(self) -> Sequence[str]:
        return sorted({each.pool for each in (*self._active, *self._dropped)})

    def active(self) -> Sequence[ActiveTarget]:
        return self._active

    def dropped(self) -> Sequence[DroppedTarget]:
        return self._dropped

    def dropped_counts(self) -> Mapping[str, int]:
        return {each.pool: 1 for each in self._dropped}


class FakeView:
    def __init__(
        self,
        window: Window | None = None,
        *,
        configuration: Configuration | None = None,
        flags: Flags | None = None,
        targets: FakeTargets | None = None,
        reload_says: str = "",
    ) -> None:
        self.configuration = configuration or Configuration(
            file="prometheus.yml",
            global_config=GlobalConfig().completed(),
            scrape_configs=(),
            remote_write=(),
        )
        self.flags = flags or Flags()
        self.window = window or Window()
        self.targets = targets or FakeTargets()
        self.started = self.reloaded = 1_700_000_000.0
        self.is_reload_successful = self.is_ready = True
        self.has_quit = False
        self.reloads = 0
        self._reload_says = reload_says

    def metrics(self) -> str:
        return "# TYPE up_since gauge\nup_since 1\n"

    async def reload(self) -> str:
        self.reloads += 1
        return self._reload_says

    def quit(self) -> None:
        self.has_quit = True


class Site:
    """Asks without a network."""

    def __init__(self, view: FakeView, now: float = 1_700_000_000.0) -> None:
        self.view = view
        self.clock = FixedClock(now)
        self._routes = Routes(view, self.clock)

    def ask(
        self, path: str, *, method: str = "GET", form: Any = None, headers: Any = None, **params: Any
    ) -> Response:
        query = urlencode(
            {("match[]" if name == "match" else name): value for name, value in params.items()}, doseq=True
        )
        body, sent = b"", dict(headers or {})
        if form is not None:
            method, body = "POST", urlencode(form, doseq=True).encode()
            sent["content-type"] = "application/x-www-form-urlencoded"
        target = f"{path}?{query}" if query else path
        return asyncio.run(self._routes.respond(Asked(method=method, target=target, headers=sent, body=body)))

    def get(self, path: str, **params: Any) -> tuple[int, dict[str, Any]]:
        response = self.ask(path, **params)
        return response.status, msgspec.json.decode(response.body)
