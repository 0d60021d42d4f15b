"""/api/v1/targets and scrape_pools (web/api/v1/api.go)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from pillion.scraper.configuration import format_duration
from pillion.scraper.web.answers import success
from pillion.units import Instant, format_micro_time

if TYPE_CHECKING:
    from pillion.http.server import Response
    from pillion.scraper.web.parameters import Parameters
    from pillion.scraper.web.view import ActiveTarget, TargetsView

NEVER = "0001-01-01T00:00:00Z"
_LOCAL = frozenset(("127.0.0.1", "localhost", "::1"))


def scrape_pools(targets: TargetsView) -> Response:
    return success({"scrapePools": list(targets.pools())})


def targets(view: TargetsView, external_url: str, asked: Parameters) -> Response:
    state = asked.get("state").lower()
    pool = asked.get("scrapePool")
    active = (
        [_active(each, external_url) for each in view.active() if not pool or each.pool == pool]
        if state in ("", "any", "active")
        else []
    )
    if state in ("", "any", "dropped"):
        dropped = [
            {"discoveredLabels": dict(each.discovered), "scrapePool": each.pool}
            for each in view.dropped()
            if not pool or each.pool == pool
        ]
        counts = {name: count for name, count in view.dropped_counts().items() if not pool or name == pool}
    else:
        dropped, counts = [], {}
    return success({"activeTargets": active, "droppedTargets": dropped, "droppedTargetCounts": counts})


def _active(target: ActiveTarget, external_url: str) -> dict[str, object]:
    return {
        "discoveredLabels": dict(target.discovered),
        "labels": dict(target.labels),
        "scrapePool": target.pool,
        "scrapeUrl": target.url,
        "globalUrl": global_url(target.url, external_url),
        "lastError": target.last_error,
        "lastScrape": format_micro_time(Instant(target.last_scrape)) if target.last_scrape else NEVER,
        "lastScrapeDuration": target.last_duration,
        "health": target.health,
        "scrapeInterval": format_duration(target.interval),
        "scrapeTimeout": format_duration(target.timeout),
    }


def global_url(url: str, external_url: str) -> str:
    """As others reach it: a local target has the name of this machine there, and our own port our external URL's."""
    parts, own = urlsplit(url), urlsplit(external_url)
    if parts.hostname not in _LOCAL:
        return url
    try:
        port = parts.port
    except ValueError:  # relabelled to something that is none
        return url
    host = f"{own.hostname}:{port}" if port is not None else own.hostname or ""
    return urlunsplit(parts._replace(netloc=host))
