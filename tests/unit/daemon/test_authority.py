"""The certificates of a server: made once, good for its clients, renewed in time."""

from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from cryptography import x509

from pillion.daemon.authority import open_authority
from pillion.errors import HostError
from pillion.units import Instant

NOW = Instant(1_767_322_245.0)
DAY = 86_400.0


def leaf(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / "apiserver.crt").read_bytes())


def test_a_second_server_finds_what_the_first_made(tmp_path: Path) -> None:
    first = open_authority(tmp_path / "pki", NOW, ("10.96.0.1",))
    files = {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()}
    assert open_authority(tmp_path / "pki", Instant(NOW + DAY), ("10.96.0.1",)) == first
    assert {path.name: path.read_bytes() for path in (tmp_path / "pki").iterdir()} == files


def test_secrets_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "pki"
    open_authority(folder, NOW, ())
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    public = {"ca.crt", "apiserver.crt", "sa.pub"}
    assert {name for name, mode in modes.items() if mode == 0o644} == public
    assert {mode for name, mode in modes.items() if name not in public} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_certificate_is_for_the_names_of_the_server(tmp_path: Path) -> None:
    authority = open_authority(tmp_path, NOW, ("10.96.0.1",))
    certificate = leaf(tmp_path)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_pem.encode()))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1", "10.96.0.1"}


@pytest.mark.parametrize(("days", "renewed"), [(300, False), (336, True), (4000, True)])
def test_a_certificate_is_renewed_a_month_before_its_end(tmp_path: Path, days: int, renewed: bool) -> None:
    open_authority(tmp_path, NOW, ())
    before = leaf(tmp_path)
    later = Instant(NOW + days * DAY)
    authority = open_authority(tmp_path, later, ())
    assert (leaf(tmp_path) != before) is renewed
    leaf(tmp_path).verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_pem.encode()))
    moment = datetime.datetime.fromtimestamp(later, tz=datetime.UTC)
    assert leaf(tmp_path).not_valid_after_utc > moment


def test_another_address_needs_another_certificate(tmp_path: Path) -> None:
    open_authority(tmp_path, NOW, ())
    before = leaf(tmp_path)
    open_authority(tmp_path, NOW, ("192.0.2.1",))
    assert leaf(tmp_path) != before


@pytest.mark.parametrize("lost", ["ca.key", "ca.crt", "apiserver.key"])
def test_what_is_lost_is_made_anew(tmp_path: Path, lost: str) -> None:
    open_authority(tmp_path, NOW, ())
    (tmp_path / lost).unlink()
    authority = open_authority(tmp_path, NOW, ())
    leaf(tmp_path).verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_pem.encode()))


def test_a_broken_file_is_said_to_be_broken(tmp_path: Path) -> None:
    open_authority(tmp_path, NOW, ())
    (tmp_path / "ca.key").write_text("garbage")
    with pytest.raises(HostError, match=r"cannot use the certificates in .*remove the folder"):
        open_authority(tmp_path, NOW, ())
