"""SPIFFE IDs: which texts are one (SPIFFE-ID.md, 2.1-2.4)."""

from __future__ import annotations

import pytest

from pillion.proxy.identity import SpiffeId, of_service_account, parse_spiffe_id


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("spiffe://cluster.local", SpiffeId("cluster.local")),
        ("spiffe://cluster.local/ns/default/sa/agent", SpiffeId("cluster.local", "/ns/default/sa/agent")),
        ("spiffe://a_b-c.1/x", SpiffeId("a_b-c.1", "/x")),
        ("spiffe://a/UPPER/x..y/...", SpiffeId("a", "/UPPER/x..y/...")),
        ("spiffe://a/" + "x" * 2037, SpiffeId("a", "/" + "x" * 2037)),
    ],
)
def test_an_id_is_read_and_written_alike(text: str, parsed: SpiffeId) -> None:
    assert parse_spiffe_id(text) == parsed
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "cluster.local",
            "https://cluster.local/x",
            "SPIFFE://cluster.local/x",
            "spiffe:///x",
            "spiffe://",
        ),
        *("spiffe://Cluster/x", "spiffe://user@a/x", "spiffe://a:1/x", "spiffe://a/x?y", "spiffe://a/x#y"),
        *(
            "spiffe://a/",
            "spiffe://a/x/",
            "spiffe://a//x",
            "spiffe://a/./x",
            "spiffe://a/../x",
            "spiffe://a/%41",
        ),
        *("spiffe://ä/x", "spiffe://a/ä", "spiffe://a/x y", "spiffe://a/x\n", "spiffe://" + "a" * 256 + "/x"),
        "spiffe://a/" + "x" * 2038,
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"SPIFFE ID|trust domain|path"):
        parse_spiffe_id(text)


def test_a_service_account_has_its_id() -> None:
    written = "spiffe://cluster.local/ns/shop/sa/agent"
    assert str(of_service_account("cluster.local", "shop", "agent")) == written
