"""Fields of a Pod's metadata as text, for the downward API in variables and in files.

pkg/fieldpath/fieldpath.go: ExtractFieldPathAsString, FormatMap.
"""

import re
from collections.abc import Mapping

from pillion.objects.models import core_v1
from pillion.plan.pods import metadata_of
from pillion.plan.references import ConfigError
from pillion.units import quote


def extract_field(pod: core_v1.Pod, path: str) -> str:
    """An absent label or annotation is the empty string. Raises ConfigError for a path that is not metadata's."""
    metadata = metadata_of(pod)
    maps: dict[str, Mapping[str, str]] = {
        "metadata.labels": metadata.labels or {},
        "metadata.annotations": metadata.annotations or {},
    }
    if subscripted := re.fullmatch(r"(?s)(.+?)\['(.*)'\]", path):
        name, key = subscripted.groups()
        if name not in maps:
            raise ConfigError(f'fieldPath "{path}" does not support subscript')
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
            raise ConfigError(f"unsupported fieldPath: {path}")


def format_map(values: Mapping[str, str]) -> str:
    """One line `key="value"` per entry, by key, without a newline at the end (fieldpath.go: FormatMap)."""
    return "\n".join(f"{key}={quote(values[key])}" for key in sorted(values))
