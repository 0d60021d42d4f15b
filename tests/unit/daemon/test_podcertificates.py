"""Certificates for the volumes of pods: when another one is made, when not, and what is said without one."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from pillion.clock import LoopClock
from pillion.daemon.identitysettings import IdentitySettings, parse_trust_domain
from pillion.daemon.podcertificates import PodCertificates
from pillion.daemon.workloadsigner import WorkloadSigner, service_names
from pillion.errors import ManifestError
from pillion.lifecycle import EventNote
from pillion.objects import core_v1, meta_v1
from pillion.plan.references import ConfigError
from pillion.proxy.authority import Rotation, find_authority, rotate_authority
from pillion.units import Instant
from pillion.volumes import CredentialBundle

HOUR = 3600.0
START = 1_800_000_000.0
SIGNER = "pillion.dev/identity"


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> Instant:
        return Instant(self.time)


class Lab:
    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = SetClock()
        self.accounts = {("team", "agent"), ("team", "default")}
        self.services: list[core_v1.Service] = []
        self.folder = folder / "workload"
        self.certificates = PodCertificates(
            WorkloadSigner(self.folder, IdentitySettings(**settings)),
            self.clock,
            has_account=lambda *account: account in self.accounts,
            services=lambda: self.services,
        )

    async def bundle(self, pod: core_v1.Pod, **changes: Any) -> CredentialBundle:
        await self.certificates.prepare(pod, volume(**changes))
        return self.certificates.credential_bundle(pod, "identity", 0)


class Pods:
    """A node that only remembers what it is asked and told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.news = asyncio.Event()

    def refresh_volumes(self, uid: str) -> None:
        self.told.append(uid)
        self.news.set()

    def note(self, uid: str, note: EventNote) -> None:
        self.told.append(f"{uid}: {note.type} {note.reason} {note.message}")
        self.news.set()


def a_pod(uid: str = "u-1", account: str | None = "agent", **labels: str) -> core_v1.Pod:
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="p", namespace="team", uid=uid, labels=labels),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="main")], serviceAccountName=account),
    )


def volume(**changes: Any) -> core_v1.Volume:
    fields = {"signerName": SIGNER, "keyType": "ECDSAP256", "keyPath": "tls.key"} | changes
    asked = core_v1.PodCertificateProjection(**fields)
    anchors = core_v1.ClusterTrustBundleProjection(
        path="ca.crt", signerName=SIGNER, labelSelector=meta_v1.LabelSelector()
    )
    sources = [
        core_v1.VolumeProjection(podCertificate=asked),
        core_v1.VolumeProjection(clusterTrustBundle=anchors),
    ]
    return core_v1.Volume(name="identity", projected=core_v1.ProjectedVolumeSource(sources=sources))


def in_lab(folder: Path, body: Callable[[Lab], Coroutine[None, None, None]], **settings: Any) -> None:
    async def whole() -> None:
        await body(Lab(folder, **settings))

    asyncio.run(whole())


def leaf(bundle: CredentialBundle) -> x509.Certificate:
    return x509.load_pem_x509_certificate(bundle.chain)


def names(bundle: CredentialBundle, kind: type[x509.GeneralName]) -> list[str]:
    found = leaf(bundle).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return found.get_values_for_type(kind)  # type: ignore[arg-type, return-value]


def test_a_pod_gets_a_key_of_its_own_and_a_certificate_for_it_with_its_accounts_name(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        one, other = await lab.bundle(a_pod("u-1")), await lab.bundle(a_pod("u-2", account=None))
        assert one.key != other.key
        for bundle, account in ((one, "agent"), (other, "default")):
            key = serialization.load_pem_private_key(bundle.key, password=None)
            assert key.public_key() == leaf(bundle).public_key()
            assert bundle.key.startswith(b"-----BEGIN PRIVATE KEY-----"), "PKCS #8"
            assert names(bundle, x509.UniformResourceIdentifier) == [
                f"spiffe://example.org/ns/team/sa/{account}"
            ]
        anchors = lab.certificates.trust_anchors_by_signer(SIGNER, meta_v1.LabelSelector())
        assert anchors is not None
        root = x509.load_pem_x509_certificate(anchors)
        intermediate = x509.load_pem_x509_certificates(one.chain)[1]
        leaf(one).verify_directly_issued_by(intermediate)
        intermediate.verify_directly_issued_by(root)
        assert stat.S_IMODE(lab.folder.stat().st_mode) == 0o700

    in_lab(tmp_path, body, trust_domain="example.org")


def test_it_stays_the_same_for_half_its_life_and_then_another_takes_its_place(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        first = await lab.bundle(a_pod())
        assert leaf(first).not_valid_after_utc.timestamp() == START + 24 * HOUR
        lab.clock.time += 12 * HOUR - 1
        assert await lab.bundle(a_pod()) == first
        lab.clock.time += 1
        second = await lab.bundle(a_pod())
        assert (first.key, first.chain) != (second.key, second.chain)
        assert first.key != second.key

    in_lab(tmp_path, body)


@pytest.mark.parametrize(
    ("asked", "settings", "lifetime"),
    [
        (None, {}, 24 * HOUR),
        (3600, {}, HOUR),
        (90 * 86_400, {}, 24 * HOUR),
        (None, {"lifetime": 2 * HOUR}, 2 * HOUR),
        (3600, {"lifetime": 20.0}, 20.0),
    ],
)
def test_a_certificate_lives_no_longer_than_asked_and_no_longer_than_a_day(
    tmp_path: Path, asked: int | None, settings: dict[str, float], lifetime: float
) -> None:
    async def body(lab: Lab) -> None:
        bundle = await lab.bundle(a_pod(), maxExpirationSeconds=asked)
        assert leaf(bundle).not_valid_after_utc.timestamp() == START + lifetime

    in_lab(tmp_path, body, **settings)


@pytest.mark.parametrize("key_type", ["RSA3072", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"])
def test_keys_are_of_the_type_that_was_asked_for(tmp_path: Path, key_type: str) -> None:
    async def body(lab: Lab) -> None:
        key: Any = leaf(await lab.bundle(a_pod(), keyType=key_type)).public_key()
        match key_type:
            case "ED25519":
                assert type(key).__name__ == "Ed25519PublicKey"
            case "RSA3072":
                assert key.key_size == 3072
            case _:
                assert key.curve.key_size == int(key_type.removeprefix("ECDSAP"))

    in_lab(tmp_path, body)


@pytest.mark.parametrize(
    ("changes", "account", "message"),
    [
        (
            {"signerName": "example.com/other"},
            "agent",
            (
                "credential bundle is not issued yet: nobody here signs for example.com/other; "
                "the only signer is pillion.dev/identity"
            ),
        ),
        ({}, "ghost", 'while fetching service account: serviceaccounts "ghost" not found'),
        (
            {"userAnnotations": {"example.com/note": "x"}},
            "agent",
            (
                'PodCertificateRequest was permanently denied: reason="InvalidUnverifiedUserAnnotations" '
                'message="this signer knows none of the annotations example.com/note"'
            ),
        ),
    ],
)
def test_what_cannot_be_issued_is_said_in_the_kubelets_words(
    tmp_path: Path, changes: dict[str, Any], account: str, message: str
) -> None:
    async def body(lab: Lab) -> None:
        with pytest.raises(ConfigError) as refused:
            await lab.bundle(a_pod(account=account), **changes)
        assert str(refused.value) == message

    in_lab(tmp_path, body)


@pytest.mark.parametrize(
    ("what", "is_kept"),
    [(Rotation.INTERMEDIATE, True), (Rotation.ROOT, True), (Rotation.DISTRUST, False)],
)
def test_a_certificate_outlives_its_authority_unless_that_is_distrusted(
    tmp_path: Path, what: Rotation, *, is_kept: bool
) -> None:
    async def body(lab: Lab) -> None:
        before = await lab.bundle(a_pod())
        rotate_authority(lab.folder, lab.clock.now(), what=what)
        after = await lab.bundle(a_pod())
        assert (after == before) is is_kept
        anchors = lab.certificates.trust_anchors_by_name("pillion.dev:identity:bundle")
        assert anchors == find_authority(lab.folder).bundle_pem.encode()
        assert await lab.bundle(a_pod()) == after

    in_lab(tmp_path, body)


def test_the_authority_is_there_before_the_first_pod_asks(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        await lab.certificates.open()
        assert find_authority(lab.folder).trust_domain == "shop.example"

    in_lab(tmp_path, body, trust_domain="shop.example")


def test_an_authority_that_cannot_be_used_is_said_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(lab: Lab) -> None:
        lab.folder.write_text("in the way")
        await lab.certificates.open()

    in_lab(tmp_path, body)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["pods get no identities"]


def test_before_it_was_prepared_it_is_not_issued_yet(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        with pytest.raises(ConfigError, match=r"^credential bundle is not issued yet$"):
            lab.certificates.credential_bundle(a_pod(), "identity", 0)

    in_lab(tmp_path, body)


def test_a_renewal_that_fails_leaves_what_is_there_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(lab: Lab) -> None:
        first = await lab.bundle(a_pod())
        lab.clock.time += 13 * HOUR
        kept = (lab.folder / "intermediate.pem").read_bytes()
        (lab.folder / "intermediate.pem").write_text("broken")
        assert await lab.bundle(a_pod()) == first
        assert await lab.bundle(a_pod()) == first
        assert lab.certificates.trust_anchors_by_signer(SIGNER, meta_v1.LabelSelector()) is not None
        [said] = caplog.messages
        assert said.startswith(
            "cannot renew the certificate of pod u-1, volume identity: cannot use the authority"
        )
        (lab.folder / "intermediate.pem").write_bytes(kept)
        assert await lab.bundle(a_pod()) != first

    in_lab(tmp_path, body)


def test_a_renewal_that_does_not_come_is_told_as_events_of_the_pod_each_once(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        await lab.bundle(a_pod())
        (lab.folder / "intermediate.pem").write_text("broken")
        for hours in (12.1, 12.2, 12.3, 24.1, 24.2):
            lab.clock.time = START + hours * HOUR
            await lab.bundle(a_pod())
        pods = Pods()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(lab.certificates.run(pods))
            async with asyncio.timeout(20):
                await pods.news.wait()
            running.cancel()
        assert pods.told == [
            "u-1: Warning CertificateOverdueForRefresh PodCertificate refresh overdue",
            "u-1: Warning CertificateExpired PodCertificate expired",
        ]

    in_lab(tmp_path, body)


def test_an_authority_that_cannot_be_used_is_named_when_there_is_nothing_yet(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        lab.folder.write_text("in the way")
        with pytest.raises(ConfigError, match=r"^cannot use the authority in "):
            await lab.bundle(a_pod())
        with pytest.raises(ConfigError, match=r"^cannot use the authority in "):
            lab.certificates.trust_anchors_by_name("pillion.dev:identity:bundle")

    in_lab(tmp_path, body)


def test_two_updates_of_one_volume_make_one_key(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        bundles: list[CredentialBundle] = []

        async def update() -> None:
            bundles.append(await lab.bundle(a_pod()))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(update())
        assert len({bundle.key for bundle in bundles}) == 1

    in_lab(tmp_path, body)


def test_a_pod_that_was_forgotten_leaves_no_key_behind(tmp_path: Path) -> None:
    async def body(lab: Lab) -> None:
        await lab.bundle(a_pod("u-1"))
        kept = await lab.bundle(a_pod("u-2"))
        lab.certificates.forget("u-1")
        with pytest.raises(ConfigError):
            lab.certificates.credential_bundle(a_pod("u-1"), "identity", 0)
        assert lab.certificates.credential_bundle(a_pod("u-2"), "identity", 0) == kept
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):  # one makes a key, one waits for it
                tasks.create_task(lab.certificates.prepare(a_pod("u-3"), volume()))
            await asyncio.sleep(0)
            lab.certificates.forget("u-3")
        with pytest.raises(ConfigError):
            lab.certificates.credential_bundle(a_pod("u-3"), "identity", 0)

    in_lab(tmp_path, body)


def test_volumes_are_refreshed_when_a_certificate_is_due(tmp_path: Path) -> None:
    """On the loop's own time: a life of two seconds, so that the renewal is due after one."""

    async def body(_: Lab) -> None:
        settings = IdentitySettings(lifetime=2.0)
        certificates = PodCertificates(WorkloadSigner(tmp_path / "workload", settings), LoopClock())
        pods = Pods()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(certificates.run(pods))
            await certificates.prepare(a_pod(), volume())
            first = certificates.credential_bundle(a_pod(), "identity", 0)
            async with asyncio.timeout(20):
                await pods.news.wait()
            assert pods.told == ["u-1"]
            await certificates.prepare(a_pod(), volume())
            assert certificates.credential_bundle(a_pod(), "identity", 0) != first
            running.cancel()

    in_lab(tmp_path, body)


def selector(**fields: Any) -> meta_v1.LabelSelector:
    return meta_v1.LabelSelector(**fields)


@pytest.mark.parametrize(
    ("signer", "chosen", "found"),
    [
        (SIGNER, selector(), True),
        (SIGNER, selector(matchExpressions=[{"key": "old", "operator": "DoesNotExist"}]), True),
        (SIGNER, selector(matchExpressions=[{"key": "new", "operator": "Exists"}]), False),
        (SIGNER, selector(matchLabels={"version": "1"}), False),
        (SIGNER, None, False),
        ("example.com/other", selector(), False),
    ],
)
def test_trust_anchors_are_chosen_as_kubernetes_does(
    tmp_path: Path, signer: str, chosen: meta_v1.LabelSelector | None, found: bool
) -> None:
    if chosen is not None and chosen.matchExpressions:
        chosen.matchExpressions = [
            meta_v1.LabelSelectorRequirement(**known)  # type: ignore[arg-type]
            for known in chosen.matchExpressions
        ]

    async def body(lab: Lab) -> None:
        await lab.certificates.prepare(a_pod(), volume())
        assert (lab.certificates.trust_anchors_by_signer(signer, chosen) is not None) is found
        assert lab.certificates.trust_anchors_by_name("pillion.dev:identity:bundle") is not None
        assert lab.certificates.trust_anchors_by_name("others") is None

    in_lab(tmp_path, body)


def a_service(name: str, namespace: str = "team", **labels: str) -> core_v1.Service:
    return core_v1.Service(
        metadata=meta_v1.ObjectMeta(name=name, namespace=namespace),
        spec=core_v1.ServiceSpec(selector=labels or None),
    )


def test_the_services_that_lead_to_a_pod_are_names_in_its_certificate(tmp_path: Path) -> None:
    services = [
        a_service("agents", app="agent"),
        a_service("others", app="other"),
        a_service("agents", "elsewhere", app="agent"),
        a_service("by-hand"),
    ]
    pod = a_pod(app="agent", tier="front")
    assert service_names(pod, services) == ("agents.team.svc", "agents.team.svc.cluster.local")

    async def body(lab: Lab) -> None:
        lab.services = services
        assert names(await lab.bundle(pod), x509.DNSName) == list(service_names(pod, services))

    in_lab(tmp_path, body)


@pytest.mark.parametrize("text", ["", "Example.org", "a/b", "a b", "spiffe://a"])
def test_a_trust_domain_that_no_identity_can_have_is_refused(text: str) -> None:
    with pytest.raises(ManifestError, match=r"^cannot use the trust domain"):
        parse_trust_domain(text)
