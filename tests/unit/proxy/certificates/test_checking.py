"""What is wrong with a certificate is said before anybody is refused a handshake."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.unit.proxy.certificates.making import (
    DAY,
    ID,
    MOMENT,
    NOW,
    Made,
    Sketch,
    dsa_key,
    ec_key,
    ed25519_key,
    make,
    make_authority,
    rsa_key,
    write_key,
)

from pillion.proxy.certificates.checking import check
from pillion.proxy.certificates.contents import Contents
from pillion.proxy.certificates.faults import Fault, Reason
from pillion.proxy.certificates.material import Material
from pillion.proxy.certificates.purpose import Purpose
from pillion.proxy.configuration.values import Certificate, Identity, StringMatch

ENTRY = Certificate(name="agent", chain="tls.crt", key="tls.key", bundle="ca.crt", line=3)
ALL = Purpose(serves=True, calls=True, verifies=True)
ROOT = make_authority("root")
INTERMEDIATE = make_authority("intermediate", ROOT)
GOOD = make(Sketch(), INTERMEDIATE)
STRANGER = make_authority("stranger")
CHAIN = GOOD.pem + INTERMEDIATE.pem


def look(
    chain: bytes = CHAIN,
    key: bytes = GOOD.key_pem,
    bundle: bytes = ROOT.pem,
    purpose: Purpose = ALL,
) -> Material | tuple[Fault, ...]:
    return check(ENTRY, Contents(chain=chain, key=key, bundle=bundle), purpose, NOW)


def look_as(changes: dict[str, Any], **files: bytes) -> Material | tuple[Fault, ...]:
    """With an entry that says more."""
    contents = Contents(**({"chain": CHAIN, "key": GOOD.key_pem, "bundle": ROOT.pem} | files))
    return check(msgspec.structs.replace(ENTRY, **changes), contents, ALL, NOW)


def look_at(leaf: Made, purpose: Purpose = ALL) -> Material | tuple[Fault, ...]:
    return look(leaf.pem + INTERMEDIATE.pem, leaf.key_pem, purpose=purpose)


def reasons(found: Material | tuple[Fault, ...]) -> list[str]:
    assert not isinstance(found, Material), "it was found good"
    return [f"{fault.path} {fault.reason}" for fault in found]


def faults(found: Material | tuple[Fault, ...]) -> tuple[Fault, ...]:
    assert not isinstance(found, Material), "it was found good"
    return found


def good(found: Material | tuple[Fault, ...]) -> Material:
    assert isinstance(found, Material), [str(fault) for fault in found]
    return found


def test_a_good_certificate_becomes_material_without_a_warning() -> None:
    material = good(look())
    assert material.leaf is not None
    assert (material.name, material.leaf.uris, material.leaf.dns) == ("agent", (ID,), ("agent.example.org",))
    assert material.leaf.not_after == (MOMENT + DAY).timestamp()
    assert material.chain_pem.encode() == CHAIN
    assert material.bundle_pem.encode() == ROOT.pem
    assert material.warnings == ()


LEAFS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("ended", {"begins": MOMENT - 2 * DAY, "ends": MOMENT}, ["tls.crt expired"]),
    ("begins later", {"begins": MOMENT + DAY / 2}, ["tls.crt not_yet_valid"]),
    ("an authority", {"ca": True}, ["tls.crt not_a_leaf"]),
    ("without constraints", {"has_constraints": False}, []),
    ("any usage", {"usages": None}, []),
    ("any usage, said so", {"usages": (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)}, []),
    ("cannot serve", {"usages": (ExtendedKeyUsageOID.CLIENT_AUTH,)}, ["tls.crt wrong_usage"]),
    ("cannot call", {"usages": (ExtendedKeyUsageOID.SERVER_AUTH,)}, ["tls.crt wrong_usage"]),
    ("cannot sign", {"digital_signature": False}, ["tls.crt wrong_usage"]),
    ("nameless", {"uris": (), "dns": ()}, ["tls.crt no_name"]),
    ("only an address", {"uris": (), "dns": (), "ips": ("10.0.0.1",)}, []),
    ("two SPIFFE IDs", {"uris": (ID, ID + "2")}, ["tls.crt wrong_name"]),
    ("an ID without path", {"uris": ("spiffe://cluster.local",)}, ["tls.crt wrong_name"]),
    ("an ID that is none", {"uris": ("spiffe://Cluster/x",)}, ["tls.crt wrong_name"]),
    ("another kind of URI", {"uris": ("https://a.example/", "https://b.example/")}, []),
    ("short RSA", {"key": rsa_key(1024)}, ["tls.crt weak_key"]),
    ("RSA", {"key": rsa_key(2048)}, []),
    ("a short curve", {"key": ec_key(ec.SECP224R1())}, ["tls.crt weak_key"]),
    ("a curve nobody has", {"key": ec_key(ec.SECP256K1())}, ["tls.crt weak_key"]),
    ("P-384", {"key": ec_key(ec.SECP384R1())}, []),
    ("DSA", {"key": dsa_key()}, ["tls.crt weak_key", "tls.key unsupported_key"]),
]


@pytest.mark.parametrize(
    ("changes", "expected"), [case[1:] for case in LEAFS], ids=[case[0] for case in LEAFS]
)
def test_a_leaf_is_refused_for_what_others_would_refuse(changes: dict[str, Any], expected: list[str]) -> None:
    found = look_at(make(Sketch(**changes), INTERMEDIATE))
    if expected:
        assert reasons(found) == expected
    else:
        assert good(found).warnings == ()


def test_a_signature_with_sha1_is_refused() -> None:
    # Libraries no longer sign with it: the certificate is altered to say so, as nobody gets to the signature.
    leaf = make(Sketch(key=rsa_key(2048)), make_authority("rsa", key=rsa_key(2048)))
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    forged = x509.load_der_x509_certificate(leaf.der.replace(sha256, sha1))
    assert isinstance(forged.signature_hash_algorithm, hashes.SHA1)
    found = look(forged.public_bytes(serialization.Encoding.PEM), leaf.key_pem)
    assert reasons(found) == ["tls.crt weak_signature"]


@pytest.mark.parametrize(
    ("purpose", "usage"),
    [
        (Purpose(serves=True), ExtendedKeyUsageOID.SERVER_AUTH),
        (Purpose(calls=True), ExtendedKeyUsageOID.CLIENT_AUTH),
    ],
)
def test_only_the_usages_that_are_needed_are_asked_for(
    purpose: Purpose, usage: x509.ObjectIdentifier
) -> None:
    good(look_at(make(Sketch(usages=(usage,)), INTERMEDIATE), purpose))


CHAINS: list[tuple[str, bytes, list[str]]] = [
    ("the leaf alone", GOOD.pem, []),
    ("with the root", CHAIN + ROOT.pem, []),
    ("with text around", b"subject=CN = leaf\n" + GOOD.pem + b"\n\n" + INTERMEDIATE.pem, []),
    ("Windows' line ends", CHAIN.replace(b"\n", b"\r\n"), []),
    ("with the key in one file", GOOD.key_pem + CHAIN, []),
    ("root before intermediate", GOOD.pem + ROOT.pem + INTERMEDIATE.pem, ["tls.crt chain_order"]),
    ("a stranger's certificate in it", CHAIN + STRANGER.pem, ["tls.crt broken_chain"]),
    ("a hole", GOOD.pem + ROOT.pem, ["tls.crt broken_chain"]),
    (
        "leaf last",
        INTERMEDIATE.pem + GOOD.pem,
        [
            *("tls.crt broken_chain", "tls.crt not_a_leaf", "tls.crt no_name"),
            "tls.key wrong_key",
        ],
    ),
    ("empty", b"", ["tls.crt empty"]),
    ("blank", b" \n", ["tls.crt empty"]),
    ("no PEM", b"hello", ["tls.crt not_pem"]),
    ("DER", GOOD.der, ["tls.crt not_pem"]),
    ("cut off", GOOD.pem[:200], ["tls.crt not_pem"]),
    ("base64 twice", b"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t", ["tls.crt not_pem"]),
    ("a key", GOOD.key_pem, ["tls.crt not_pem"]),
    ("damaged", GOOD.pem.replace(b"MII", b"MAA", 1), ["tls.crt not_pem"]),
]


@pytest.mark.parametrize(
    ("chain", "expected"), [case[1:] for case in CHAINS], ids=[case[0] for case in CHAINS]
)
def test_a_chain_leads_upwards_from_the_leaf(chain: bytes, expected: list[str]) -> None:
    found = look(chain)
    if expected:
        assert reasons(found) == expected
    else:
        assert x509.load_pem_x509_certificates(good(found).chain_pem.encode())[0] == GOOD.certificate


def test_an_intermediate_that_has_ended_is_refused_but_not_a_root_that_came_along() -> None:
    ended = make_authority("ended", ROOT, begins=MOMENT - 3 * DAY, ends=MOMENT - DAY)
    leaf = make(Sketch(), ended)
    assert reasons(look(leaf.pem + ended.pem, leaf.key_pem)) == ["tls.crt expired"]
    old_root = make_authority("old", begins=MOMENT - 3 * DAY, ends=MOMENT - DAY)
    leaf = make(Sketch(), old_root)
    good(look(leaf.pem + old_root.pem, leaf.key_pem))


KEYS: list[tuple[str, bytes, list[str]]] = [
    ("SEC 1", write_key(GOOD.key, format_="TraditionalOpenSSL"), []),
    ("beside the chain", CHAIN + GOOD.key_pem, []),
    ("another one", write_key(ec_key()), ["tls.key wrong_key"]),
    ("of another kind", write_key(rsa_key(2048)), ["tls.key wrong_key"]),
    ("the intermediate's", INTERMEDIATE.key_pem, ["tls.key wrong_key"]),
    ("encrypted", write_key(GOOD.key, b"secret"), ["tls.key encrypted_key"]),
    (
        "encrypted, the old way",
        write_key(rsa_key(2048), b"secret", "TraditionalOpenSSL"),
        ["tls.key encrypted_key"],
    ),
    ("OpenSSH's", write_key(GOOD.key, format_="OpenSSH"), ["tls.key not_pem"]),
    ("two", GOOD.key_pem + INTERMEDIATE.key_pem, ["tls.key not_pem"]),
    ("a certificate", CHAIN, ["tls.key not_pem"]),
    ("empty", b"", ["tls.key empty"]),
    ("damaged", GOOD.key_pem.replace(b"MIG", b"MAA", 1), ["tls.key not_pem"]),
]


@pytest.mark.parametrize(("key", "expected"), [case[1:] for case in KEYS], ids=[case[0] for case in KEYS])
def test_the_key_is_the_leafs_and_can_be_read(key: bytes, expected: list[str]) -> None:
    found = look(key=key)
    if expected:
        assert reasons(found) == expected
    else:
        assert good(found).key_pem.encode() == GOOD.key_pem


BUNDLES: list[tuple[str, bytes, list[str], int]] = [
    ("several", STRANGER.pem + ROOT.pem, [], 0),
    ("the intermediate", INTERMEDIATE.pem, [], 0),
    ("a stranger", STRANGER.pem, [], 1),
    ("a leaf", GOOD.pem + ROOT.pem, [], 1),
    ("one that ended", ROOT.pem + make_authority("ended", ends=MOMENT - DAY / 2).pem, [], 1),
    ("all ended", make_authority("ended", ends=MOMENT - DAY / 2).pem, ["ca.crt expired"], 0),
    ("empty", b"", ["ca.crt empty"], 0),
    ("no certificate", GOOD.key_pem, ["ca.crt not_pem"], 0),
]


@pytest.mark.parametrize(
    ("bundle", "expected", "warnings"), [case[1:] for case in BUNDLES], ids=[case[0] for case in BUNDLES]
)
def test_a_bundle_vouches_for_somebody(bundle: bytes, expected: list[str], warnings: int) -> None:
    found = look(bundle=bundle)
    if expected:
        assert reasons(found) == expected
    else:
        assert len(good(found).warnings) == warnings, good(found).warnings


def test_what_the_purpose_does_not_need_is_not_looked_at() -> None:
    assert good(look(chain=b"", key=b"", purpose=Purpose(verifies=True))).chain_pem == ""
    assert good(look(bundle=b"junk", purpose=Purpose(serves=True, calls=True))).bundle_pem == ""
    assert good(look(b"", b"", b"", Purpose())) == Material(name="agent")


HOSTS: list[tuple[dict[str, Any], tuple[str, ...], bool]] = [
    ({"dns": ("a.example",)}, ("a.example",), True),
    ({"dns": ("A.example",)}, ("a.example",), True),
    ({"dns": ("a.example",)}, ("b.example",), False),
    ({"dns": ("a.example",)}, ("a.example", "b.example"), False),
    ({"dns": ("*.example",)}, ("b.example",), True),
    ({"dns": ("*.example",)}, ("example",), False),
    ({"dns": ("*.example",)}, ("c.b.example",), False),
    ({"dns": ("*.example",)}, ("*.example",), True),
    ({"dns": (), "ips": ("10.0.0.1",)}, ("10.0.0.1",), True),
    ({"dns": ("a.example",), "uris": (ID,)}, ("b.example",), True),
]
"""The last: who knows a SPIFFE ID asks for no host name."""


@pytest.mark.parametrize(("names", "hosts", "is_good"), HOSTS)
def test_a_certificate_is_for_the_hosts_of_its_routes(
    names: dict[str, Any], hosts: tuple[str, ...], is_good: bool
) -> None:
    leaf = make(Sketch(**({"uris": ()} | names)), INTERMEDIATE)
    found = look_at(leaf, msgspec.structs.replace(ALL, hosts=hosts))
    assert isinstance(found, Material) is is_good
    if not is_good:
        assert reasons(found) == ["tls.crt wrong_name"]


SPIFFE = Identity(uri=StringMatch(exact=ID))
IDENTITIES: list[tuple[Identity, dict[str, Any], bool]] = [
    (SPIFFE, {}, True),
    (SPIFFE, {"uris": (ID + "2",)}, False),
    (SPIFFE, {"uris": (ID.upper(),)}, False),
    (SPIFFE, {"uris": ()}, False),
    (SPIFFE, {"uris": ("https://agent.example/", ID[:-1])}, False),
    (SPIFFE, {"uris": (), "dns": (ID,)}, False),
    (Identity(uri=StringMatch(prefix="spiffe://cluster.local/ns/default/")), {}, True),
    (Identity(uri=StringMatch(prefix="spiffe://cluster.local/ns/other/")), {}, False),
    (Identity(uri=StringMatch(regex="spiffe://[^/]+/ns/default/sa/agent")), {}, True),
    (Identity(uri=StringMatch(regex="spiffe://[^/]+/ns")), {}, False),
    (Identity(dns=StringMatch(exact="agent.example.org")), {}, True),
    (Identity(dns=StringMatch(exact="agent.example.org")), {"dns": ("*.example.org",)}, True),
    (Identity(dns=StringMatch(exact="a.agent.example.org")), {"dns": ("*.example.org",)}, False),
    (Identity(dns=StringMatch(regex=r"[^.]+\.example\.org")), {}, True),
    (Identity(dns=StringMatch(regex=r"[^.]+\.example\.com")), {}, False),
    (Identity(dns=StringMatch(exact="agent.example.org")), {"dns": ()}, False),
]


@pytest.mark.parametrize(("identity", "names", "is_good"), IDENTITIES)
def test_a_certificate_of_somebody_else_is_refused(
    identity: Identity, names: dict[str, Any], *, is_good: bool
) -> None:
    leaf = make(Sketch(**names), INTERMEDIATE)
    found = look_as({"identity": identity}, chain=leaf.pem + INTERMEDIATE.pem, key=leaf.key_pem)
    if is_good:
        good(found)
    else:
        assert "tls.crt wrong_name" in reasons(found)


def test_the_refusal_names_both_identities() -> None:
    leaf = make(Sketch(uris=(ID + "2",)), INTERMEDIATE)
    (fault,) = faults(look_as({"identity": SPIFFE}, chain=leaf.pem + INTERMEDIATE.pem, key=leaf.key_pem))
    assert str(fault) == (
        f"tls.crt: it is for {ID}2, agent.example.org, and identity asks for the URI {ID}; "
        "mount the Secret of this workload, or correct identity"
    )


# An authority may be known by several certificates of one name and key.
SUCCESSOR = make_authority("successor")
CROSS = make_authority("successor", ROOT, key=SUCCESSOR.key)
RENEWED = make_authority("root", key=ROOT.key, ends=MOMENT + 9 * DAY)
NAMESAKE = make_authority("root")
ENDED = make_authority("root", key=ROOT.key, ends=MOMENT - DAY / 2)
ISSUERS: list[tuple[str, dict[str, bytes], bool]] = [
    ("its root", {}, True),
    ("its root, beside others", {"bundle": STRANGER.pem + ROOT.pem}, True),
    ("its root, which came along", {"chain": CHAIN + ROOT.pem}, True),
    ("its root, renewed for the same key", {"bundle": RENEWED.pem}, True),
    ("its root, which has ended", {"bundle": ENDED.pem + STRANGER.pem}, True),
    ("its intermediate", {"bundle": INTERMEDIATE.pem}, True),
    ("its intermediate, which did not come along", {"chain": GOOD.pem, "bundle": INTERMEDIATE.pem}, True),
    ("the leaf itself", {"bundle": GOOD.pem}, True),
    ("somebody else", {"bundle": STRANGER.pem}, False),
    ("a root of the same name", {"bundle": NAMESAKE.pem}, False),
    ("its root, and the intermediate is missing", {"chain": GOOD.pem}, False),
]


@pytest.mark.parametrize(("files", "is_good"), [row[1:] for row in ISSUERS], ids=[row[0] for row in ISSUERS])
def test_the_bundle_beside_a_chain_is_its_issuers(files: dict[str, bytes], *, is_good: bool) -> None:
    found = look_as({"bundle_is_issuers": True}, **files)
    if is_good:
        good(found)
    else:
        assert reasons(found) == ["tls.crt unknown_authority"]
        assert "`bundle:`" in faults(found)[0].remedy
    # One that is named may be of others: it is said all the same.
    warned = [text for text in good(look_as({}, **files)).warnings if "has issued it" in text]
    assert bool(warned) is not is_good


def test_a_cross_certificate_leads_to_the_former_root() -> None:
    intermediate = make_authority("below", SUCCESSOR)
    leaf = make(Sketch(), intermediate)
    chain = leaf.pem + intermediate.pem
    beside = {"bundle_is_issuers": True}
    assert reasons(look_as(beside, chain=chain, key=leaf.key_pem)) == ["tls.crt unknown_authority"]
    good(look_as(beside, chain=chain + CROSS.pem, key=leaf.key_pem))
    good(look_as(beside, chain=chain + CROSS.pem, key=leaf.key_pem, bundle=SUCCESSOR.pem))


@pytest.mark.parametrize(
    ("roots", "peers", "warnings"),
    [
        (("one.example",), ("one.example",), 0),
        (("one.example",), ("two.example",), 1),
        (("one.example", "one.example"), ("one.example",), 0),
        (("one.example", ""), ("two.example",), 0),
    ],
)
def test_expected_identities_are_of_a_trust_domain_in_the_bundle(
    roots: tuple[str, ...], peers: tuple[str, ...], warnings: int
) -> None:
    made = [make_authority(name or "any", uris=(f"spiffe://{name}",) if name else ()) for name in roots]
    purpose = Purpose(verifies=True, peers=peers)
    material = good(look(bundle=b"".join(one.pem for one in made), purpose=purpose))
    assert len(material.warnings) == warnings, material.warnings


def test_authorities_of_two_trust_domains_in_one_bundle_are_told() -> None:
    """Either could issue for an identity of the other: nothing binds a trust domain to its authority."""
    made = [make_authority(name, uris=(f"spiffe://{name}",)) for name in ("one.example", "two.example")]
    purpose = Purpose(verifies=True, peers=("two.example",))
    (warning,) = good(look(bundle=b"".join(one.pem for one in made), purpose=purpose)).warnings
    assert "trust domains one.example, two.example" in warning


def test_everything_that_is_wrong_is_said_at_once() -> None:
    leaf = make(Sketch(uris=(), dns=(), ends=MOMENT, usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)), INTERMEDIATE)
    found = look(leaf.pem, write_key(ec_key()), b"")
    assert reasons(found) == [
        *("tls.crt expired", "tls.crt wrong_usage", "tls.crt no_name", "tls.key wrong_key", "ca.crt empty"),
    ]
    assert all(fault.text and fault.remedy for fault in found if isinstance(fault, Fault))


def test_an_ed25519_key_is_shown_with_a_warning() -> None:
    material = good(look_at(make(Sketch(key=ed25519_key()), INTERMEDIATE)))
    assert "Ed25519" in material.warnings[0]


def test_a_fault_names_file_trouble_and_remedy() -> None:
    fault = Fault(reason=Reason.EMPTY, path="/tls/tls.crt", text="the file is empty", remedy="fill it")
    assert str(fault) == "/tls/tls.crt: the file is empty; fill it"


def test_the_value_never_shows_its_key() -> None:
    assert "PRIVATE" not in repr(good(look())) + str(good(look()))
