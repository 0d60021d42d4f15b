"""What an authority issues, to whom, and for how long: the rules of X.509 SVIDs."""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pillion.errors import HostError, ManifestError
from pillion.proxy.authority import Authority, find_authority, generate_key, open_authority
from pillion.proxy.identity import SpiffeId, of_service_account
from pillion.units import Instant

NOW = Instant(1_800_000_000.0)
MOMENT = datetime.datetime.fromtimestamp(NOW, tz=datetime.UTC)
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)
AGENT = of_service_account("cluster.local", "default", "agent")
KEY = generate_key()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("authority") / "folder", "cluster.local", NOW)


def certificates(pem: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem.encode())


def request(key: Any, names: Sequence[x509.GeneralName] = ()) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "administrator")])
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_leaf_is_an_svid(authority: Authority) -> None:
    leaf, intermediate = certificates(authority.issue(KEY.public_key(), AGENT, now=NOW))
    extensions = leaf.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["spiffe://cluster.local/ns/default/sa/agent"]
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert not usage.value.crl_sign
    assert set(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    assert leaf.public_key() == KEY.public_key()
    leaf.verify_directly_issued_by(intermediate)


def test_authorities_are_svids_that_sign(authority: Authority) -> None:
    (root,) = certificates(authority.bundle_pem)
    intermediate = certificates(authority.issue(KEY.public_key(), AGENT, now=NOW))[1]
    intermediate.verify_directly_issued_by(root)
    for one, path_length in ((root, None), (intermediate, 0)):
        constraints = one.extensions.get_extension_for_class(x509.BasicConstraints)
        assert (constraints.critical, constraints.value.ca, constraints.value.path_length) == (
            *(True, True, path_length),
        )
        usage = one.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.key_cert_sign
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [name.value for name in names] == ["spiffe://cluster.local"]
    assert root.not_valid_after_utc == MOMENT + 3650 * DAY
    assert intermediate.not_valid_after_utc == MOMENT + 365 * DAY


def test_a_leaf_begins_before_now_and_lives_as_long_as_it_was_told(authority: Authority) -> None:
    for lifetime, end in (
        (60.0, MOMENT + MINUTE),
        (86_400.0, MOMENT + DAY),
        (7 * 86_400.0, MOMENT + 7 * DAY),
    ):
        leaf = certificates(authority.issue(KEY.public_key(), AGENT, now=NOW, lifetime=lifetime))[0]
        assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (MOMENT - 5 * MINUTE, end)


def test_nothing_is_issued_before_the_authority_begins(authority: Authority) -> None:
    """A clock that was ahead when the authority was made, and has been set right since."""
    authority.issue(KEY.public_key(), AGENT, now=Instant(NOW - 60))
    with pytest.raises(HostError, match="begins only at 2027-01-15T07:55:00Z"):
        authority.issue(KEY.public_key(), AGENT, now=Instant(NOW - 3600))


def test_a_leaf_has_the_names_it_is_called_by(authority: Authority) -> None:
    chain = authority.issue(
        KEY.public_key(),
        AGENT,
        now=NOW,
        dns=("Agent.default.svc", "*.example.org", "agent.default.svc."),
        ips=("10.0.0.1", "::1"),
    )
    names = certificates(chain)[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["agent.default.svc", "*.example.org"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]


def test_no_two_leafs_have_the_same_number(authority: Authority) -> None:
    numbers = {
        certificates(authority.issue(KEY.public_key(), AGENT, now=NOW))[0].serial_number for _ in range(20)
    }
    assert len(numbers) == 20


def test_only_the_key_is_taken_from_a_request(authority: Authority) -> None:
    chain = authority.sign(request(KEY, [x509.DNSName("root.example")]), AGENT, now=NOW)
    leaf = certificates(chain)[0]
    assert leaf.public_key() == KEY.public_key()
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [str(AGENT)]
    assert "administrator" not in leaf.subject.rfc4514_string()


def test_a_request_signed_by_another_key_is_refused(authority: Authority) -> None:
    other = generate_key()
    der = x509.load_pem_x509_csr(request(KEY)).public_bytes(serialization.Encoding.DER)
    point = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    swapped = der.replace(KEY.public_key().public_bytes(*point), other.public_key().public_bytes(*point))
    pem = x509.load_der_x509_csr(swapped).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(ManifestError, match="not by its own key"):
        authority.sign(pem, AGENT, now=NOW)


@pytest.mark.parametrize("pem", [b"", b"hello", request(KEY)[:100]])
def test_what_is_no_request_is_refused(authority: Authority, pem: bytes) -> None:
    with pytest.raises(ManifestError, match="cannot read the certificate signing request"):
        authority.sign(pem, AGENT, now=NOW)


REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("trust domain", {"spiffe_id": SpiffeId("other.example", "/x")}),
    ("without a path", {"spiffe_id": SpiffeId("cluster.local")}),
    ("too short", {"subject": rsa.generate_private_key(65537, 1024).public_key()}),
    ("secp224r1", {"subject": ec.generate_private_key(ec.SECP224R1()).public_key()}),
    ("neither", {"subject": dsa.generate_private_key(1024).public_key()}),
    ("168", {"lifetime": 7 * 86_400.0 + 1}),
    ("hours", {"lifetime": 0.0}),
    ("hours", {"lifetime": -1.0}),
    ("no DNS name", {"dns": ("a b",)}),
    ("no DNS name", {"dns": ("a.*.example",)}),
    ("no DNS name", {"dns": ("",)}),
    ("no DNS name", {"dns": ("ä.example",)}),
    ("no DNS name", {"dns": (".".join(["a" * 63] * 5),)}),
    ("no IP address", {"ips": ("10.0.0.256",)}),
]


@pytest.mark.parametrize(("words", "changes"), REFUSED)
def test_what_nobody_would_accept_is_not_issued(
    authority: Authority, words: str, changes: dict[str, Any]
) -> None:
    arguments: dict[str, Any] = {"subject": KEY.public_key(), "spiffe_id": AGENT, "now": NOW} | changes
    with pytest.raises(ManifestError, match=words):
        authority.issue(arguments.pop("subject"), arguments.pop("spiffe_id"), **arguments)


@pytest.mark.parametrize(
    "key",
    [
        *(ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1())),
        ed25519.Ed25519PrivateKey.generate(),
    ],
)
def test_other_strong_keys_are_certified(authority: Authority, key: Any) -> None:
    assert certificates(authority.issue(key.public_key(), AGENT, now=NOW))[0].public_key() == key.public_key()


def test_the_second_to_open_it_finds_what_the_first_made(tmp_path: Path) -> None:
    first = open_authority(tmp_path / "a", "cluster.local", NOW)
    files = {path: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    second = open_authority(tmp_path / "a", "cluster.local", Instant(NOW + 86_400))
    assert second.bundle_pem == first.bundle_pem == find_authority(tmp_path / "a").bundle_pem
    assert {path: path.read_bytes() for path in (tmp_path / "a").iterdir()} == files


def test_keys_are_their_owners_alone(tmp_path: Path) -> None:
    open_authority(tmp_path / "a", "cluster.local", NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a").iterdir()}
    assert modes == {"bundle.crt": 0o644, "intermediate.pem": 0o600, "root.pem": 0o600, "lock": 0o600}
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o702])
def test_where_others_may_write_there_is_no_authority(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    for attempt in (lambda: open_authority(tmp_path, "cluster.local", NOW), lambda: find_authority(tmp_path)):
        with pytest.raises(HostError, match=rf"others may write there \(mode {mode:04o}\).*chmod go-w"):
            attempt()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder away")
def test_in_somebody_elses_folder_there_is_no_authority(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(HostError, match=r"the folder of another user \(12345\)"):
        open_authority(tmp_path, "cluster.local", NOW)
    assert list(tmp_path.iterdir()) == []


def test_one_that_others_may_write_by_now_issues_no_more(tmp_path: Path) -> None:
    open_authority(tmp_path, "cluster.local", NOW)
    tmp_path.chmod(0o775)
    with pytest.raises(HostError, match="others may write there"):
        find_authority(tmp_path)


def test_where_others_may_read_they_see_no_key(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_authority(tmp_path, "cluster.local", NOW)
    readable = [path.name for path in tmp_path.iterdir() if path.stat().st_mode & 0o077]
    assert readable == ["bundle.crt"]


def test_another_trust_domains_authority_is_left_alone(tmp_path: Path) -> None:
    open_authority(tmp_path, "one.example", NOW)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for later in (0, 400 * 86_400):
        with pytest.raises(HostError, match=r"of the trust domain one\.example, not two\.example"):
            open_authority(tmp_path, "two.example", Instant(NOW + later))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("trust_domain", ["", "UPPER", "a/b", "a:1", "ä"])
def test_a_trust_domain_that_cannot_be_is_refused(tmp_path: Path, trust_domain: str) -> None:
    with pytest.raises(ManifestError, match="cannot use the trust domain"):
        open_authority(tmp_path / "a", trust_domain, NOW)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"intermediate.pem": None}, "intermediate.pem is missing"),
        ({"bundle.crt": None}, "bundle.crt is missing"),
        ({"intermediate.pem": b"junk"}, "cannot use the authority"),
        ({"root.pem": b""}, "cannot use the authority"),
    ],
)
def test_an_authority_that_is_damaged_is_not_written_over(
    tmp_path: Path, damage: dict[str, bytes | None], words: str
) -> None:
    open_authority(tmp_path, "cluster.local", NOW)
    for name, content in damage.items():
        if content is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(content)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(HostError, match=words):
        open_authority(tmp_path, "cluster.local", NOW)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_there_is_none_where_none_was_made(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="pillion authority init"):
        find_authority(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"cannot use the authority in .*Not a directory"):
        open_authority(tmp_path / "file" / "a", "cluster.local", NOW)
