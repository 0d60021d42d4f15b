"""The signer `pillion.dev/identity`: the state directory's authority, asked for the certificates of this node's pods.

What the field's signers are as controllers over PodCertificateRequests (KEP-4317) is a function here: node and signer
are one process. Blocks, for files and for cryptography: call it from a thread.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pillion.daemon.identitysettings import IdentitySettings
from pillion.objects.models import core_v1
from pillion.plan.facts import KUBERNETES_DOMAIN
from pillion.plan.pods import metadata_of
from pillion.proxy.identity import of_service_account
from pillion.units import Instant

if TYPE_CHECKING:
    from pillion.proxy.authority import Authority
    from pillion.proxy.authority.keys import PublicKey


class SigningDenied(Exception):  # noqa: N818 - Kubernetes' word
    """The signer will never issue this. `reason` is the CamelCase word of a PodCertificateRequest's condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class CertificateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a PodCertificateRequest says, as far as this signer looks at it."""

    namespace: str
    account: str
    seconds: int
    """The longest lifetime that is accepted."""
    user_annotations: tuple[str, ...] = ()
    """Their keys."""
    dns: tuple[str, ...] = ()


class WorkloadSigner:
    def __init__(self, folder: Path, settings: IdentitySettings = IdentitySettings()) -> None:  # noqa: B008 - frozen
        """The folder is made when it is first needed."""
        self._folder = folder
        self._settings = settings

    def sign(self, request: CertificateRequest, key: PublicKey, now: Instant) -> str:
        """The chain, PEM, for who has the key's other half. Raises SigningDenied, HostError, ManifestError."""
        if request.user_annotations:
            known = ", ".join(sorted(request.user_annotations))
            raise SigningDenied(
                "InvalidUnverifiedUserAnnotations", f"this signer knows none of the annotations {known}"
            )
        spiffe_id = of_service_account(self._settings.trust_domain, request.namespace, request.account)
        return self._authority(now).issue(
            key,
            spiffe_id,
            now=now,
            lifetime=min(self._settings.lifetime, request.seconds),
            dns=request.dns,
        )

    def trust_anchors(self, now: Instant) -> str:
        """The roots, PEM. Raises HostError, ManifestError."""
        return self._authority(now).bundle_pem

    def _authority(self, now: Instant) -> Authority:
        """Read anew each time: `pillion authority rotate` is another process."""
        # Late: most nodes never issue anything, and `cryptography` costs 30 ms and 10 MB.
        from pillion.proxy.authority import open_authority

        return open_authority(self._folder, self._settings.trust_domain, now)


def service_names(pod: core_v1.Pod, services: Iterable[core_v1.Service]) -> tuple[str, ...]:
    """The names in DNS of the Services that lead to the pod, as its labels are now."""
    metadata = metadata_of(pod)
    labels = metadata.labels or {}
    names: list[str] = []
    for service in services:
        selector = (service.spec.selector if service.spec is not None else None) or {}
        place = service.metadata
        if not selector or place is None or place.namespace != metadata.namespace:
            continue
        if all(labels.get(key) == value for key, value in selector.items()):
            short = f"{place.name}.{place.namespace}.svc"
            names += [short, f"{short}.{KUBERNETES_DOMAIN}"]
    return tuple(names)
