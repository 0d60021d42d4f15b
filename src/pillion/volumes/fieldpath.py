"""The downward API in volumes: fields of a Pod as the text of a file.

Environments know more fields and never a whole map: that is `plan.downward`. Pure. Sources:
pkg/fieldpath/fieldpath.go (ExtractFieldPathAsString, FormatMap), pkg/volume/downwardapi (CollectData).
"""

import re
from collections.abc import Mapping

from pillion.objects.models import core_v1
from pillion.plan.pods import metadata_of
from pillion.volumes.failure import VolumeError


def field_text(pod: core_v1.Pod, path: str) -> str:
    """The file of a `fieldRef`. Its lines are sorted, those of a subscripted annotation too, as upstream.

    Raises VolumeError for a path that volumes do not know; an absent label or annotation is the empty string.
    """
    return "\n".join(sorted(_field(pod, path).split("\n")))


def _field(pod: core_v1.Pod, path: str) -> str:
    metadata = metadata_of(pod)
    maps: dict[str, Mapping[str, str]] = {
        "metadata.labels": metadata.labels or {},
        "metadata.annotations": metadata.annotations or {},
    }
    if subscripted := re.fullmatch(r"(?s)(.+?)\['(.*)'\]", path):
        name, key = subscripted.groups()
        if name not in maps:
            raise VolumeError(f'fieldPath "{path}" does not support subscript')
        return maps[name].get(key, "")
    if path in maps:
        return format_map(maps[path])
    match path:
        case "metadata.name":
            return metadata.name or ""
        case "metadata.namespace":
            return metadata.namespace or ""
        case "metadata.uid":
            return metadata.uid or ""
        case _:
            raise VolumeError(f"unsupported fieldPath: {path}")


def format_map(values: Mapping[str, str]) -> str:
    """One line `key="value"` per entry, by key, without a newline at the end (fieldpath.go: FormatMap)."""
    return "\n".join(f"{key}={quote(values[key])}" for key in sorted(values))


_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
    '"': r"\"",
}


def quote(text: str) -> str:
    """Go's `%q`. Python and Go call the same characters printable, by Unicode category."""
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escape(ord(c))) for c in text) + '"'


def _escape(code: int) -> str:
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
