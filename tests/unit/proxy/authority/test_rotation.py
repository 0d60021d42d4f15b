"""Rotations that nobody notices: old bundles and new ones, old leafs and new ones, all together."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from pillion.errors import HostError, ManifestError
from pillion.proxy.authority import (
    Authority,
    Rotation,
    find_authority,
    generate_key,
    open_authority,
    rotate_authority,
)
from pillion.proxy.identity import of_service_account
from pillion.units import Instant

NOW = Instant(1_800_000_000.0)
DAY = 86_400.0
AGENT = of_service_account("cluster.local", "default", "agent")
KEY = generate_key().public_key()


def after(days: float) -> Instant:
    return Instant(NOW + days * DAY)


def issue(authority: Authority, now: Instant) -> str:
    return authority.issue(KEY, AGENT, now=now, dns=("agent.example",))


def accepts(bundle: str, chain: str, now: Instant) -> bool:
    """Somebody who has this bundle is shown this chain."""
    leaf, *rest = x509.load_pem_x509_certificates(chain.encode())
    roots = x509.load_pem_x509_certificates(bundle.encode())
    moment = datetime.datetime.fromtimestamp(now, tz=datetime.UTC)
    verifier = PolicyBuilder().store(Store(roots)).time(moment).build_client_verifier()
    try:
        verifier.verify(leaf, rest)
    except VerificationError:
        return False
    return True


def count(pem: str) -> int:
    return len(x509.load_pem_x509_certificates(pem.encode()))


def test_a_new_intermediate_changes_nothing_for_others(tmp_path: Path) -> None:
    old = open_authority(tmp_path, "cluster.local", NOW)
    new = rotate_authority(tmp_path, NOW, what=Rotation.INTERMEDIATE)
    assert new.bundle_pem == old.bundle_pem
    before, later = issue(old, NOW), issue(new, NOW)
    assert (
        x509.load_pem_x509_certificates(before.encode())[1]
        != x509.load_pem_x509_certificates(later.encode())[1]
    )
    assert accepts(new.bundle_pem, before, NOW)
    assert accepts(old.bundle_pem, later, NOW)


def test_during_a_new_roots_first_week_everybody_accepts_everybody(tmp_path: Path) -> None:
    old = open_authority(tmp_path, "cluster.local", NOW)
    before = issue(old, NOW)
    new = rotate_authority(tmp_path, NOW, what=Rotation.ROOT)
    later = issue(new, NOW)
    assert count(new.bundle_pem) == 2
    for bundle in (old.bundle_pem, new.bundle_pem):
        for chain in (before, later):
            assert accepts(bundle, chain, after(0.5))


def test_two_new_roots_in_a_week_lead_back_to_the_first(tmp_path: Path) -> None:
    bundles = [open_authority(tmp_path, "cluster.local", NOW).bundle_pem]
    for days in (1, 2):
        newest = rotate_authority(tmp_path, after(days), what=Rotation.ROOT)
        bundles.append(newest.bundle_pem)
    assert [count(bundle) for bundle in bundles] == [1, 2, 3]
    chain = issue(newest, after(2))
    assert all(accepts(bundle, chain, after(2.5)) for bundle in bundles)


def test_the_old_root_goes_by_itself_when_its_leafs_have_ended(tmp_path: Path) -> None:
    old = open_authority(tmp_path, "cluster.local", NOW)
    rotate_authority(tmp_path, NOW, what=Rotation.ROOT)
    assert count(open_authority(tmp_path, "cluster.local", after(6.9)).bundle_pem) == 2
    late = issue(find_authority(tmp_path), after(6.9))
    assert accepts(old.bundle_pem, late, after(7.5)), "the last chain that leads back lives on"
    alone = open_authority(tmp_path, "cluster.local", after(7.1))
    assert count(alone.bundle_pem) == 1
    assert not accepts(alone.bundle_pem, issue(old, after(7.1)), after(7.1))
    assert accepts(alone.bundle_pem, issue(alone, after(7.1)), after(7.1))


def test_no_chain_holds_a_certificate_that_ends_before_its_leaf(tmp_path: Path) -> None:
    open_authority(tmp_path, "cluster.local", NOW)
    rotate_authority(tmp_path, NOW, what=Rotation.ROOT)
    for days in range(0, 30, 3):
        authority = open_authority(tmp_path, "cluster.local", after(days))
        leaf, *rest = x509.load_pem_x509_certificates(
            authority.issue(KEY, AGENT, now=after(days), lifetime=7 * DAY).encode()
        )
        assert all(one.not_valid_after_utc >= leaf.not_valid_after_utc for one in rest)
        assert len(rest) == (2 if days <= 7 else 1)


def test_a_root_that_is_distrusted_is_gone_at_once(tmp_path: Path) -> None:
    old = open_authority(tmp_path, "cluster.local", NOW)
    before = issue(old, NOW)
    new = rotate_authority(tmp_path, NOW, what=Rotation.DISTRUST)
    assert not accepts(new.bundle_pem, before, NOW)
    assert not accepts(old.bundle_pem, issue(new, NOW), NOW)
    assert accepts(new.bundle_pem, issue(new, NOW), NOW)


@pytest.mark.parametrize(
    ("days", "is_due"), [(0, False), (300, False), (334.9, False), (335.1, True), (3254, True), (3256, True)]
)
def test_an_intermediate_is_renewed_a_month_before_its_end(tmp_path: Path, days: float, is_due: bool) -> None:
    old = open_authority(tmp_path, "cluster.local", NOW)
    assert old.is_due(after(days)) is is_due
    new = open_authority(tmp_path, "cluster.local", after(days))
    assert not new.is_due(after(days))
    assert (new.hierarchy.intermediate.certificate != old.hierarchy.intermediate.certificate) is is_due
    assert accepts(new.bundle_pem, issue(new, after(days)), after(days))


@pytest.mark.parametrize("start", [0, 3200], ids=["the first year", "when the root is replaced"])
def test_years_of_use_never_break(tmp_path: Path, start: int) -> None:
    """Opened each week; others have a bundle that is a week old."""
    open_authority(tmp_path, "cluster.local", NOW)
    bundle = open_authority(tmp_path, "cluster.local", after(start)).bundle_pem
    replaced = 0
    for day in range(start + 7, start + 56 * 7, 7):
        authority = open_authority(tmp_path, "cluster.local", after(day))
        chain = issue(authority, after(day))
        assert accepts(bundle, chain, after(day)), f"day {day}"
        assert accepts(authority.bundle_pem, chain, after(day)), f"day {day}"
        replaced += authority.bundle_pem != bundle
        bundle = authority.bundle_pem
    assert replaced == (2 if start else 0), "a new root came, the old one went"


def test_with_the_root_kept_elsewhere_it_issues_to_the_end_of_its_intermediate(tmp_path: Path) -> None:
    open_authority(tmp_path, "cluster.local", NOW)
    (tmp_path / "root.pem").rename(tmp_path / "elsewhere")
    authority = open_authority(tmp_path, "cluster.local", after(364.5))
    assert accepts(authority.bundle_pem, issue(authority, after(364.5)), after(364.9))
    leaf = x509.load_pem_x509_certificates(issue(authority, after(364.5)).encode())[0]
    assert leaf.not_valid_after_utc == authority.hierarchy.intermediate.certificate.not_valid_after_utc
    with pytest.raises(HostError, match=r"bring root\.pem back"):
        issue(open_authority(tmp_path, "cluster.local", after(366)), after(366))
    for what in (Rotation.INTERMEDIATE, Rotation.ROOT):
        with pytest.raises(ManifestError, match=r"root\.pem is not in the authority's folder"):
            rotate_authority(tmp_path, after(366), what=what)
    (tmp_path / "elsewhere").rename(tmp_path / "root.pem")
    issue(open_authority(tmp_path, "cluster.local", after(366)), after(366))


@pytest.mark.parametrize("lost", [("root.pem",), ("root.pem", "intermediate.pem")])
def test_a_rotation_that_is_cut_short_leaves_an_authority(tmp_path: Path, lost: tuple[str, ...]) -> None:
    """A machine stops after the first file of a rotation, or the second."""
    old = open_authority(tmp_path, "cluster.local", NOW)
    before = {name: (tmp_path / name).read_bytes() for name in lost}
    half = issue(rotate_authority(tmp_path, NOW, what=Rotation.ROOT), NOW)
    half_bundle = find_authority(tmp_path).bundle_pem
    for name in lost:
        (tmp_path / name).write_bytes(before[name])
    found = open_authority(tmp_path, "cluster.local", NOW)
    again = rotate_authority(tmp_path, NOW, what=Rotation.ROOT)
    for chain in (half, issue(found, NOW), issue(again, NOW)):
        assert accepts(again.bundle_pem, chain, NOW)
        assert accepts(old.bundle_pem, chain, NOW)
        assert accepts(half_bundle, chain, NOW)


def test_many_who_open_it_at_once_get_one_authority(tmp_path: Path) -> None:
    bundles: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: bundles.append(open_authority(tmp_path / "a", "cluster.local", NOW).bundle_pem)
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bundles) == 8
    assert len(set(bundles)) == 1
