"""A configuration as the file could say it, and what the file may say."""

from __future__ import annotations

from pillion.proxy.configuration.reading import Json
from pillion.proxy.configuration.sections import chapters
from pillion.proxy.configuration.tables import DOCUMENT
from pillion.proxy.configuration.values import Configuration


def render(configuration: Configuration) -> Json:
    """All that holds, defaults too, in the file's own keys and units: it loads as the same configuration."""
    written: Json = DOCUMENT.write(configuration)
    return written


def schema() -> Json:
    """The JSON Schema of the file (draft 2020-12), for editors: keys and values, little of what holds between them."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "proxy.yaml of pillion",
        **DOCUMENT.schema(),
        "$defs": {section.definition_name: section.definition() for section in chapters(DOCUMENT).values()},
    }
