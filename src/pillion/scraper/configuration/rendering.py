"""The configuration as YAML again, defaults written out and secrets hidden, as /api/v1/status/config has it.

What is zero is left out, but for the keys that Prometheus always writes (its structs' `omitempty`), and those whose
default is not zero: what is written reads as the same again, which it does not always do in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import yaml

from pillion.scraper.configuration.configured import Configuration
from pillion.scraper.configuration.schema import Field, Section, fields_of, words
from pillion.scraper.configuration.secret import HIDDEN, Secret
from pillion.scraper.configuration.values import Bytes, Milliseconds, Url, format_duration, format_size
from pillion.scraper.labels import Regexp, RelabelConfig
from pillion.scraper.labels.relabel import DEFAULT_REGEX

_ALWAYS = words(
    """
    job_name honor_timestamps track_timestamps_staleness enable_compression follow_redirects enable_http2 send
    send_interval insecure_skip_verify username client_id client_secret client_secret_file token_url targets files url
    """
)
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):[^/?#@]*@")


def render(configuration: Configuration) -> str:
    tree: dict[str, Any] = {"global": _section(configuration.global_config)}
    for key in ("scrape_config_files", "scrape_configs", "remote_write"):
        values = getattr(configuration, key)
        if values:
            tree[key] = [_section(value) if isinstance(value, Section) else value for value in values]
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)


def redacted(url: str) -> str:
    """The URL without the password in it (net/url, URL.Redacted)."""
    return _PASSWORD.sub(r"\1:xxxxx@", url)


class _Dumper(yaml.SafeDumper):
    """Each list and text written out: no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _section(section: msgspec.Struct) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in fields_of(type(section)):
        value = getattr(section, field.name)
        if field.is_inline:
            found |= _section(value)
        elif field.key != "place" and _is_written(field, value):
            found[field.key] = _value(field, value)
    return found


def _is_written(field: Field, value: Any) -> bool:
    if field.key in _ALWAYS:
        return True
    if isinstance(value, Section):
        return value != field.default or field.key in ("queue_config", "metadata_config")
    if isinstance(value, Regexp):
        return value != DEFAULT_REGEX
    return bool(value) or (bool(field.default) and field.default is not msgspec.NODEFAULT)


def _value(field: Field, value: Any) -> Any:
    if field.type is Milliseconds:
        return format_duration(value)
    if field.type is Bytes:
        return format_size(value)
    if field.type is Url or field.key == "url":
        return redacted(value)
    return _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case Secret():
            return HIDDEN if value else ""
        case Section() | RelabelConfig():
            return _section(value)
        case Regexp():
            return value.text
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple():
            return [_plain(item) for item in value]
        case bool() | int() | float():
            return value
        case _:
            return str(value)
