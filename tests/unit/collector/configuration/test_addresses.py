"""Addresses in the names of plugins, as src/flb_network.c (`flb_net_host_set`) takes them apart."""

from __future__ import annotations

import pytest

from pillion.collector.configuration.addresses import spread_address
from pillion.collector.configuration.document import Property, Section, SectionKind
from pillion.collector.configuration.failure import Place

PLACE = Place("command line")


def spread(name: str, kind: SectionKind = SectionKind.OUTPUT, **others: str) -> dict[str, object]:
    properties = tuple(Property(key, value, PLACE) for key, value in {"name": name, **others}.items())
    section = spread_address(Section(kind=kind, properties=properties, place=PLACE))
    return {prop.key: prop.value for prop in section.properties}


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("stdout", {"name": "stdout"}),
        ("http://h:80/a/b?c=d", {"name": "http", "host": "h", "port": "80", "uri": "/a/b?c=d"}),
        ("es://192.168.2.3:9200/my_index/my_type", {
            "name": "es", "host": "192.168.2.3", "port": "9200", "index": "my_index", "type": "my_type",
        }),
        ("es://h/only", {"name": "es", "host": "h", "index": "only"}),
        ("forward://[::1]:24224", {"name": "forward", "host": "::1", "port": "24224"}),
        ("splunk://h/", {"name": "splunk", "host": "h"}),
    ],
)  # fmt: skip
def test_an_outputs_address_becomes_keys(name: str, keys: dict[str, str]) -> None:
    assert spread(name) == keys


def test_a_key_that_is_given_wins() -> None:
    assert spread("http://h:80/a", port="81")["port"] == "81"


def test_an_input_listens_at_its_address() -> None:
    assert spread("forward://0.0.0.0:1", SectionKind.INPUT) == {
        "name": "forward",
        "listen": "0.0.0.0",
        "port": "1",
    }
