"""From what discovery found to a target: its labels before and after relabelling, its URL, its interval. Pure.

Prometheus' scrape/target.go, PopulateLabels. As in Prometheus 3, an address without a port stays without one, in the
`instance` label too; Prometheus 2.42 (Debian's) adds `:80` or `:443` to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote as percent_encode
from urllib.parse import quote_plus

from pillion.scraper.configuration.values import format_duration, parse_duration
from pillion.scraper.labels import labels_of
from pillion.scraper.scraping.samplelabels import public_labels
from pillion.scraper.scraping.schedule import hash_target
from pillion.units import quote

if TYPE_CHECKING:
    from pillion.scraper.configuration.scrapeconfig import ScrapeConfig
    from pillion.scraper.configuration.targetgroups import TargetGroup
    from pillion.scraper.labels import Labels, Relabelling

_ADDRESS = "__address__"
_PARAM = "__param_"
_META = "__meta_"
_INTERVAL = "__scrape_interval__"
_TIMEOUT = "__scrape_timeout__"
_PATH_SAFE = "/$&+,:;=@-_.~"
"""What Go's url.URL leaves in a path (net/url, shouldEscape)."""


class TargetError(ValueError):
    """There is no target in it. The text is Prometheus'."""


class Target:
    """One address to scrape. Two are the same when their labels and their URLs are."""

    def __init__(
        self, labels: Labels, discovered: Mapping[str, str], params: Mapping[str, tuple[str, ...]]
    ) -> None:
        """`labels` with `__address__` and the like; `discovered` are those before relabelling."""
        self.labels = labels
        self.discovered = discovered
        found = dict(labels)
        self.url = _url(found, params)
        self.interval = parse_duration(found[_INTERVAL])
        """Milliseconds, as `timeout`."""
        self.timeout = parse_duration(found[_TIMEOUT])

    @property
    def key(self) -> tuple[Labels, str]:
        return self.labels, self.url

    @cached_property
    def public(self) -> Labels:
        """The labels that its series get."""
        return public_labels(self.labels)

    @cached_property
    def hashed(self) -> int:
        return hash_target(self.labels, self.url)


def discovered_labels(address: str, group: TargetGroup, config: ScrapeConfig) -> dict[str, str]:
    """What relabel_configs have to work with."""
    labels = {**group.labels, _ADDRESS: address}
    given = {
        "job": config.job_name,
        _INTERVAL: format_duration(config.scrape_interval),
        _TIMEOUT: format_duration(config.scrape_timeout),
        "__metrics_path__": config.metrics_path,
        "__scheme__": config.scheme,
        **{_PARAM + name: values[0] for name, values in config.params.items() if values},
    }
    for name, value in given.items():
        if not labels.get(name):
            labels[name] = value
    return {name: value for name, value in labels.items() if value}


def make_target(discovered: dict[str, str], relabelling: Relabelling, config: ScrapeConfig) -> Target | None:
    """None: relabelling drops it. Raises TargetError."""
    labels = relabelling.relabelled(discovered)
    if labels is None:
        return None
    address = labels.get(_ADDRESS, "")
    if not address:
        raise TargetError("no address")
    if "/" in address:
        raise TargetError(f"{quote(address)} is not a valid hostname")
    interval, timeout = labels.get(_INTERVAL, ""), labels.get(_TIMEOUT, "")
    if _duration("interval", interval) < _duration("timeout", timeout):
        raise TargetError(
            f"scrape timeout cannot be greater than scrape interval ({quote(timeout)} > {quote(interval)})"
        )
    labels = {name: value for name, value in labels.items() if not name.startswith(_META)}
    labels.setdefault("instance", address)
    return Target(labels_of(labels), discovered, config.params)


def _duration(what: str, text: str) -> int:
    try:
        milliseconds = parse_duration(text)
    except ValueError as error:
        raise TargetError(f"error parsing scrape {what}: {error}") from None
    if milliseconds == 0:
        raise TargetError(f"scrape {what} cannot be 0")
    return milliseconds


def _url(labels: Mapping[str, str], given: Mapping[str, tuple[str, ...]]) -> str:
    """Target.URL. A `__param_x` label replaces the first value of x."""
    params = {name: list(values) for name, values in given.items()}
    for name, value in labels.items():
        if name.startswith(_PARAM):
            params.setdefault(name.removeprefix(_PARAM), [""])[:1] = [value]
    path = percent_encode(labels.get("__metrics_path__", ""), safe=_PATH_SAFE)
    if path and not path.startswith("/"):
        path = f"/{path}"
    query = "&".join(
        f"{quote_plus(name, safe='~')}={quote_plus(value, safe='~')}"
        for name, values in sorted(params.items())
        for value in values
    )
    scheme = labels.get("__scheme__", "")
    start = f"{scheme}:" if scheme else ""
    return f"{start}//{labels[_ADDRESS]}{path}" + (f"?{query}" if query else "")
