"""The command line of `pillion scrape`: Prometheus' flags as options, and what was given as Flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import msgspec

from pillion.cli.scrapeflags import (
    EFFECTIVE,
    FEATURES,
    FEATURES_WITHOUT_EFFECT,
    REFUSED,
    STORAGE_PATH,
    TSDB_PATH,
    WITHOUT_EFFECT,
    Flag,
    duration,
    size,
)
from pillion.scraper.configuration import Flags, format_duration
from pillion.scraper.configuration.values import format_size

_DEFAULTS = Flags()


def options() -> list[click.Option]:
    """All flags as options; those without effect are hidden."""
    shown = list(EFFECTIVE)
    shown.insert(shown.index(STORAGE_PATH) + 1, TSDB_PATH)
    return [_option(flag) for flag in (*shown, *WITHOUT_EFFECT, *REFUSED)]


def _option(flag: Flag) -> click.Option:
    how: dict[str, Any] = {"help": flag.help, "hidden": flag.effect is not None, "default": None}
    names = [f"--{flag.name}", flag.parameter]
    if flag.type is bool:
        names[0] = f"--{flag.name}/--no-{flag.name}"
    else:
        how["type"] = click.STRING if flag.type in (None, list) else flag.type
        how["multiple"] = flag.type is list
        if flag.metavar:
            how["metavar"] = flag.metavar
    if flag.field and flag.type is not bool and flag.field != "features":
        how["help"] += f"  [default: {flag_text(flag, getattr(_DEFAULTS, flag.field)) or 'none'}]"
    return click.Option(names, **how)


def read_flags(values: Mapping[str, Any]) -> tuple[Flags, list[str]]:
    """The flags and warnings. Raises click.UsageError."""
    for flag in REFUSED:
        if values[flag.parameter]:
            raise click.UsageError(f"--{flag.name} {_effect(flag)}: {flag.reason}")
    warnings = [
        f"--{flag.name} {_effect(flag)}: {flag.reason}"
        for flag in WITHOUT_EFFECT
        if values[flag.parameter] is not None
    ]
    given = {
        flag.field: value
        for flag in EFFECTIVE
        if (value := values[flag.parameter]) is not None and value != ()
    }
    features, more = _features(given.pop("features", ()))
    given["agent_mode"] = bool(given.get("agent_mode")) or "agent" in features
    given["storage_path"] = _storage_path(values, agent_mode=given["agent_mode"])
    given |= _prefix(given)
    flags = msgspec.structs.replace(_DEFAULTS, features=features, **given)
    written = tuple((flag.name, flag_text(flag, getattr(flags, flag.field))) for flag in EFFECTIVE)
    return msgspec.structs.replace(flags, written=written), warnings + more


def _effect(flag: Flag) -> str:
    assert flag.effect is not None
    return flag.effect.value


def _features(lists: tuple[str, ...]) -> tuple[frozenset[str], list[str]]:
    names = [name for text in lists for name in text.split(",") if name]
    warnings = [
        f"--enable-feature={name} has no effect here" for name in names if name in FEATURES_WITHOUT_EFFECT
    ]
    warnings += [
        f"Unknown option for --enable-feature: {name}"
        for name in names
        if name not in FEATURES | FEATURES_WITHOUT_EFFECT
    ]
    return frozenset(names) & FEATURES, warnings


def _storage_path(values: Mapping[str, Any], *, agent_mode: bool) -> str:
    """Prometheus has a folder for each mode; here either holds the same log."""
    first, second = values[STORAGE_PATH.parameter], values[TSDB_PATH.parameter]
    return first or second or ("data-agent/" if agent_mode else "data/")


def _prefix(given: Mapping[str, Any]) -> dict[str, str]:
    """The external URL's path is the prefix, unless that is said by itself (main.go, computeExternalURL)."""
    url = str(given.get("external_url", ""))
    if url.startswith(("'", '"')) or url.endswith(("'", '"')):
        raise click.UsageError("--web.external-url must not begin or end with quotes")
    scheme, separator, rest = url.partition("://")
    if url and not (separator and scheme and rest):
        raise click.UsageError(f"--web.external-url={url}: write a whole URL, like http://HOST:9090/PATH")
    path = given.get("route_prefix", "/" + rest.partition("/")[2])
    return {"route_prefix": "/" + str(path).strip("/")}


def flag_text(flag: Flag, value: Any) -> str:
    """As Prometheus writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if flag.type is duration:
        return format_duration(value)
    if flag.type is size:
        return format_size(value)
    if isinstance(value, tuple | frozenset):
        return ",".join(sorted(value) if isinstance(value, frozenset) else value)
    return str(value)
