"""YAML scalars as the keys of JSON objects."""

from __future__ import annotations

from pillion.units.yamlscalars import Value


def key_text(value: Value) -> str | None:
    """A scalar as the key of a JSON object, or None where kubectl refuses it (convertToJSONableObject)."""
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.9g}"
        case _:
            return str(value)
