"""Certificates for the volumes of pods: keys made here, renewed at half their life, the same in between.

Source: pkg/kubelet/podcertificate/podcertificatemanager.go and clustertrustbundle_manager.go. As there, nothing is kept
over a restart of this process: every pod gets another key and certificate then. A renewal that fails leaves what is
there. Unlike there, the signer is asked directly, so that nobody waits for a controller.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from pillion.clock import Clock
from pillion.daemon.workloadsigner import CertificateRequest, SigningDenied, WorkloadSigner, service_names
from pillion.errors import HostError, ManifestError
from pillion.inject import BUNDLE_NAME, SIGNER_NAME
from pillion.lifecycle import EventNote
from pillion.objects.models import core_v1, meta_v1
from pillion.plan.pods import identity_of, spec_of
from pillion.plan.references import ConfigError
from pillion.units import Instant
from pillion.volumes import CredentialBundle

if TYPE_CHECKING:
    from pillion.proxy.authority.keys import PrivateKey

DEFAULT_SECONDS = 86_400
"""certificates/v1beta1/defaults.go: a PodCertificateRequest without maxExpirationSeconds."""
RENEW_AT = 0.5
"""Of its lifetime a certificate is used before another one takes its place."""
RETRY = 10.0
"""Seconds from a renewal that failed to the next."""
OVERDUE = 600.0
"""Seconds after which a renewal that does not come is told (refreshOverdueDuration)."""
_NOT_YET = "credential bundle is not issued yet"
_log = logging.getLogger(__name__)


class _Source(NamedTuple):
    """One `podCertificate` source of one pod."""

    pod_uid: str
    volume: str
    position: int


class _Issued(msgspec.Struct, kw_only=True):
    bundle: CredentialBundle
    renew_at: Instant
    ends: Instant
    anchors: bytes = b""
    """Trust anchors that the chain was found to lead to."""
    told: set[str] = msgspec.field(default_factory=set)
    """Reasons of the Events about its being late."""


class Pods(Protocol):
    """The node, as far as it is needed here. Pods that are not there any more are passed over."""

    def refresh_volumes(self, uid: str) -> None: ...

    def note(self, uid: str, note: EventNote) -> None: ...


class PodCertificates:
    """A `CertificateSource`."""

    def __init__(
        self,
        signer: WorkloadSigner,
        clock: Clock,
        *,
        has_account: Callable[[str, str], bool] = lambda _namespace, _name: True,
        services: Callable[[], Iterable[core_v1.Service]] = tuple,
    ) -> None:
        self._signer = signer
        self._clock = clock
        self._has_account = has_account
        self._services = services
        self._issued: dict[_Source, _Issued] = {}
        self._refusals: dict[_Source, str] = {}
        self._busy: dict[_Source, asyncio.Lock] = {}
        self._due: dict[_Source, Instant] = {}
        """When `run` has the volume refreshed."""
        self._late: deque[tuple[str, EventNote]] = deque()
        """What `run` tells the node."""
        self._news = asyncio.Event()
        self._anchors: bytes | None = None
        self._no_anchors = "trust anchors are not read yet"

    # CertificateSource

    async def prepare(self, pod: core_v1.Pod, volume: core_v1.Volume) -> None:
        sources = (volume.projected.sources if volume.projected is not None else None) or ()
        wanted = [
            (_Source(identity_of(pod).uid, volume.name, index), source.podCertificate)
            for index, source in enumerate(sources)
            if source.podCertificate is not None
        ]
        # At once: who forgets the pod meanwhile takes them away.
        locks = {key: self._busy.setdefault(key, asyncio.Lock()) for key, _ in wanted}
        # Before the rest: a certificate that they no longer vouch for is made anew.
        if any(source.clusterTrustBundle and _is_ours(source.clusterTrustBundle) for source in sources):
            await self._read_anchors()
        for key, asked in wanted:
            # One at a time: two refreshes of one volume must not make two keys.
            async with locks[key]:
                await self._renew(key, locks[key], pod, asked)

    def credential_bundle(self, pod: core_v1.Pod, volume: str, index: int) -> CredentialBundle:
        source = _Source(identity_of(pod).uid, volume, index)
        issued = self._issued.get(source)
        if issued is None:
            raise ConfigError(self._refusals.get(source, _NOT_YET))
        return issued.bundle

    def trust_anchors_by_name(self, name: str) -> bytes | None:
        return self._known_anchors() if name == BUNDLE_NAME else None

    def trust_anchors_by_signer(self, signer: str, selector: meta_v1.LabelSelector | None) -> bytes | None:
        is_meant = signer == SIGNER_NAME and selector is not None and _matches_no_labels(selector)
        return self._known_anchors() if is_meant else None

    # For the daemon

    async def open(self) -> None:
        """Make the authority if there is none: others may want certificates of it before the first pod does."""
        await self._read_anchors()
        if self._anchors is None:
            _log.warning("pods get no identities: %s", self._no_anchors)

    def forget(self, pod_uid: str) -> None:
        """The pod is gone."""
        for source in [source for source in self._busy if source.pod_uid == pod_uid]:
            for known in (self._busy, self._issued, self._refusals, self._due):
                known.pop(source, None)

    async def run(self, pods: Pods) -> None:
        """Have the volumes of pods refreshed when a certificate in them is due. Until cancelled."""
        while True:
            self._news.clear()
            while self._late:
                pods.note(*self._late.popleft())
            now = self._clock.now()
            due = {source for source, at in self._due.items() if at <= now}
            for source in due:
                # A pod that has ended is not refreshed: it is asked once, and comes back by `prepare` if at all.
                del self._due[source]
            for uid in dict.fromkeys(source.pod_uid for source in due):
                pods.refresh_volumes(uid)
            next_due = min(self._due.values(), default=None)
            try:
                async with asyncio.timeout(None if next_due is None else max(0.0, next_due - now)):
                    await self._news.wait()
            except TimeoutError:
                continue

    # Issuing

    async def _renew(
        self,
        source: _Source,
        lock: asyncio.Lock,
        pod: core_v1.Pod,
        asked: core_v1.PodCertificateProjection,
    ) -> None:
        """With the lock held. It is another one, or none, once the pod was forgotten."""
        known = self._issued.get(source)
        is_fresh = (
            known is not None and known.renew_at > self._clock.now() and self._is_still_vouched_for(known)
        )
        if is_fresh or self._busy.get(source) is not lock:
            return
        why = ""
        issued: _Issued | None = None
        try:
            request = self._request(pod, asked)
            issued = await asyncio.to_thread(self._issue, asked.keyType, request, self._clock.now())
        except SigningDenied as denied:
            condition = f'reason="{denied.reason}" message="{denied.message}"'
            why = f"PodCertificateRequest was permanently denied: {condition}"
        except (ConfigError, HostError, ManifestError) as error:
            why = str(error)
        if self._busy.get(source) is not lock:
            return
        if issued is None:
            self._refuse(source, why)
            return
        self._issued[source] = issued
        self._refusals.pop(source, None)
        self._wake_at(source, issued.renew_at)

    def _is_still_vouched_for(self, issued: _Issued) -> bool:
        """No longer once its root is distrusted: others who have the new anchors refuse it, and so does our proxy."""
        if self._anchors is None or issued.anchors == self._anchors:
            return True
        from cryptography import x509

        from pillion.proxy.certificates.trust import leads_to

        anchors = x509.load_pem_x509_certificates(self._anchors)
        if leads_to(anchors, x509.load_pem_x509_certificates(issued.bundle.chain)):
            issued.anchors = self._anchors
        return issued.anchors == self._anchors

    def _refuse(self, source: _Source, why: str) -> None:
        """Remember why there is no certificate, or no newer one; the latter nobody asks for, so that it is logged."""
        if source in self._issued:
            if self._refusals.get(source) != why:
                _log.warning("cannot renew the certificate of pod %s, volume %s: %s", *source[:2], why)
            self._tell_if_late(source, self._issued[source])
            self._wake_at(source, Instant(self._clock.now() + RETRY))
        self._refusals[source] = why

    def _tell_if_late(self, source: _Source, issued: _Issued) -> None:
        """Once each, as an Event of the pod."""
        now = self._clock.now()
        for is_late, reason, message in (
            (
                now > issued.renew_at + OVERDUE,
                "CertificateOverdueForRefresh",
                "PodCertificate refresh overdue",
            ),
            (now > issued.ends, "CertificateExpired", "PodCertificate expired"),
        ):
            if is_late and reason not in issued.told:
                issued.told.add(reason)
                self._late.append((source.pod_uid, EventNote(type="Warning", reason=reason, message=message)))

    def _wake_at(self, source: _Source, at: Instant) -> None:
        self._due[source] = at
        self._news.set()

    def _request(self, pod: core_v1.Pod, asked: core_v1.PodCertificateProjection) -> CertificateRequest:
        """Raises ConfigError."""
        if asked.signerName != SIGNER_NAME:
            raise ConfigError(
                f"{_NOT_YET}: nobody here signs for {asked.signerName}; the only signer is {SIGNER_NAME}"
            )
        namespace = identity_of(pod).namespace
        account = spec_of(pod).serviceAccountName or "default"
        if not self._has_account(namespace, account):
            raise ConfigError(f'while fetching service account: serviceaccounts "{account}" not found')
        seconds = DEFAULT_SECONDS if asked.maxExpirationSeconds is None else asked.maxExpirationSeconds
        return CertificateRequest(
            namespace=namespace,
            account=account,
            seconds=seconds,
            user_annotations=tuple(asked.userAnnotations or ()),
            dns=service_names(pod, self._services()),
        )

    def _issue(self, key_type: str, request: CertificateRequest, now: Instant) -> _Issued:
        """In a thread: an RSA key takes a second. Raises SigningDenied, HostError, ManifestError."""
        # Late: see WorkloadSigner.
        from cryptography import x509

        from pillion.proxy.authority import format_key

        key = _generate_key(key_type)
        chain = self._signer.sign(request, key.public_key(), now)
        ends = x509.load_pem_x509_certificate(chain.encode()).not_valid_after_utc.timestamp()
        return _Issued(
            bundle=CredentialBundle(key=format_key(key).encode(), chain=chain.encode()),
            renew_at=Instant(now + (ends - now) * RENEW_AT),
            ends=Instant(ends),
        )

    # Trust anchors

    async def _read_anchors(self) -> None:
        try:
            pem = await asyncio.to_thread(self._signer.trust_anchors, self._clock.now())
        except (HostError, ManifestError) as error:
            self._no_anchors = str(error)
        else:
            self._anchors = pem.encode()

    def _known_anchors(self) -> bytes:
        """Those of before when they cannot be read now. Raises ConfigError."""
        if self._anchors is None:
            raise ConfigError(self._no_anchors)
        return self._anchors


def _is_ours(source: core_v1.ClusterTrustBundleProjection) -> bool:
    return source.signerName == SIGNER_NAME or source.name == BUNDLE_NAME


def _matches_no_labels(selector: meta_v1.LabelSelector) -> bool:
    """Does it match a ClusterTrustBundle without labels, as ours is?"""
    expressions = selector.matchExpressions or ()
    return not selector.matchLabels and all(
        expression.operator in ("NotIn", "DoesNotExist") for expression in expressions
    )


def _generate_key(key_type: str) -> PrivateKey:
    """podcertificatemanager.go: generateKeyAndProof."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    match key_type:
        case "RSA3072" | "RSA4096":
            return rsa.generate_private_key(public_exponent=65537, key_size=int(key_type[3:]))
        case "ECDSAP256":
            return ec.generate_private_key(ec.SECP256R1())
        case "ECDSAP384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ECDSAP521":
            return ec.generate_private_key(ec.SECP521R1())
        case "ED25519":
            return ed25519.Ed25519PrivateKey.generate()
        case _:
            raise ManifestError(f'while generating keypair: unknown key type "{key_type}"')
