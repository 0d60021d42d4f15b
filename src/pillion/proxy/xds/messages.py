"""Envoy's messages as JSON: the spellings that all resources share. Pure.

Names and fields are those of Envoy's v3 API in its JSON form (field names as in the .proto files).
"""

from __future__ import annotations

import re
from typing import Any

from pillion.errors import Bug
from pillion.proxy.configuration.values import Identity, StringMatch
from pillion.proxy.xds.snapshot import Resource

_TYPES = "type.googleapis.com/"

FULL_PERCENT: Resource = {"numerator": 100, "denominator": "HUNDRED"}


def typed(kind: str, **fields: Any) -> Resource:
    """An `Any`: a message with its type, `kind` without the domain."""
    return {"@type": _TYPES + kind, **fields}


def extension(name: str, kind: str, **fields: Any) -> Resource:
    """A TypedExtensionConfig, or what has its shape."""
    return {"name": name, "typed_config": typed(kind, **fields)}


def duration(seconds: float) -> str:
    """The JSON form of google.protobuf.Duration, to the microsecond."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


def address(host: str, port: int) -> Resource:
    return {"socket_address": {"address": host, "port_value": port}}


def string_matcher(match: StringMatch) -> Resource:
    """A StringMatcher. `present` has none: it becomes a pattern that every text fits."""
    if match.exact is not None:
        return {"exact": match.exact}
    if match.prefix is not None:
        return {"prefix": match.prefix}
    if match.regex is not None:
        return {"safe_regex": {"regex": match.regex}}
    if match.present:
        return {"safe_regex": {"regex": "(?s).*"}}
    raise Bug(f"a text to match that says nothing: {match}")


def one_of(texts: tuple[str, ...]) -> Resource:
    """A StringMatcher of any of these, exactly."""
    if len(texts) == 1:
        return {"exact": texts[0]}
    return {"safe_regex": {"regex": "|".join(re.escape(text) for text in texts)}}


def san_matcher(identity: Identity) -> Resource:
    """A SubjectAltNameMatcher: one kind of SAN, so that a DNS name can never pass for a SPIFFE ID."""
    if identity.uri is not None:
        return {"san_type": "URI", "matcher": string_matcher(identity.uri)}
    if identity.dns is not None:
        return {"san_type": "DNS", "matcher": string_matcher(identity.dns)}
    raise Bug("an identity that says nothing")


def file_source(name: str) -> Resource:
    """A ConfigSource: a file that Envoy reads again when another is renamed onto it.

    The name is that of a file of the watched folder; `files` puts the folder before it.
    """
    return {"path_config_source": {"path": name}, "resource_api_version": "V3"}
