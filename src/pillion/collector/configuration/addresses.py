"""A plugin's name with the other side's address in it: `http://host:80/path`, for the command line above all.

Source: Fluent Bit's src/flb_network.c (`flb_net_host_set`), and the `init` of the outputs that take a path.
"""

from __future__ import annotations

import re

import msgspec

from pillion.collector.configuration.document import Property, Section, SectionKind

_ADDRESS = re.compile(r"(\w+)://(?:\[([^]]+)\]|([^:/]+))(?::(\d+))?(/.*)?", re.DOTALL)
_PATHS = {"http": ("uri",), "es": ("index", "type"), "opensearch": ("index", "type")}
"""The keys that the path is, as a whole or in parts."""


def spread_address(section: Section) -> Section:
    """The section with plain keys instead of the address, if its name has one. A key that is given wins."""
    named = next((prop for prop in section.properties if prop.key == "name"), None)
    if named is None or not isinstance(named.value, str) or not (found := _ADDRESS.fullmatch(named.value)):
        return section
    plugin, bracketed, host, port, path = found.groups()
    host_key = "listen" if section.kind is SectionKind.INPUT else "host"
    said = {host_key: bracketed or host, "port": port or "", **_path_keys(plugin.lower(), path or "")}
    given = {prop.key for prop in section.properties}
    properties = [
        Property(named.key, plugin, named.place) if prop is named else prop for prop in section.properties
    ]
    properties += [
        Property(key, value, named.place) for key, value in said.items() if value and key not in given
    ]
    return msgspec.structs.replace(section, properties=tuple(properties))


def _path_keys(plugin: str, path: str) -> dict[str, str]:
    keys = _PATHS.get(plugin, ())
    if len(keys) == 1:
        return {keys[0]: path}
    return dict(zip(keys, path.strip("/").split("/"), strict=False))
