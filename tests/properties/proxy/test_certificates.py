"""Whatever a Secret holds, it is material or has a fault with a remedy; nothing else is raised."""

from __future__ import annotations

import base64

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.proxy.certificates.making import NOW, Sketch, make, make_authority

from pillion.proxy.certificates.checking import check
from pillion.proxy.certificates.contents import Contents
from pillion.proxy.certificates.material import Material
from pillion.proxy.certificates.purpose import Purpose
from pillion.proxy.configuration.values import Certificate

ENTRY = Certificate(name="agent", chain="tls.crt", key="tls.key", bundle="ca.crt", line=3)
ALL = Purpose(serves=True, calls=True, verifies=True, hosts=("a.example",), peers=("cluster.local",))
ROOT = make_authority("root", uris=("spiffe://cluster.local",))
LEAF = make(Sketch(), ROOT)
DER = {"CERTIFICATE": LEAF.der, "PRIVATE KEY": base64.b64decode(b"".join(LEAF.key_pem.splitlines()[1:-1]))}


def good_or_faulty(contents: Contents) -> None:
    found = check(ENTRY, contents, ALL, NOW)
    if not isinstance(found, Material):
        assert found
        assert all(fault.text and fault.remedy and fault.path for fault in found)


def pem(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


@st.composite
def damaged(draw: st.DrawFn, label: str) -> bytes:
    """A few octets of a good one are others: a length, a type, an object's number."""
    der = bytearray(DER[label])
    for _ in range(draw(st.integers(1, 3))):
        der[draw(st.integers(0, len(der) - 1))] = draw(st.integers(0, 255))
    return pem(label, bytes(der))


@settings(max_examples=200, deadline=None)
@given(damaged("CERTIFICATE"), damaged("PRIVATE KEY"))
def test_a_damaged_certificate_is_a_fault(chain: bytes, key: bytes) -> None:
    good_or_faulty(Contents(chain=chain, key=LEAF.key_pem, bundle=chain + ROOT.pem))
    good_or_faulty(Contents(chain=LEAF.pem + chain, key=key, bundle=ROOT.pem))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from(sorted(DER)))
def test_any_octets_are_a_fault(first: bytes, second: bytes, label: str) -> None:
    good_or_faulty(Contents(chain=first, key=second, bundle=first + second))
    good_or_faulty(Contents(chain=pem(label, first), key=pem(label, second), bundle=first + ROOT.pem))
