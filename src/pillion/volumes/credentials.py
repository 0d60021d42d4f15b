"""What volumes hold that nobody wrote down as an object: tokens, certificates with their keys, trust anchors."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from pillion.objects.models import core_v1, meta_v1
from pillion.plan.references import TokenSource


class CredentialBundle(msgspec.Struct, frozen=True, kw_only=True):
    """A private key and the certificates that go with it, both PEM and of one moment."""

    key: bytes
    """PKCS #8."""
    chain: bytes
    """The leaf, then its intermediates."""

    def __repr__(self) -> str:
        """Without the key: it must not get into a log or an error."""
        return "CredentialBundle(…)"


class CertificateSource(Protocol):
    """Keys and certificates for `podCertificate` sources, trust anchors for `clusterTrustBundle` sources.

    As the kubelet's managers (pkg/kubelet/podcertificate, pkg/kubelet/clustertrustbundle): making takes its time and is
    done by `prepare`; asking does not wait.
    """

    async def prepare(self, pod: core_v1.Pod, volume: core_v1.Volume) -> None:
        """Make what is missing or due of the volume's sources. Raises nothing: those who ask are told."""

    def credential_bundle(self, pod: core_v1.Pod, volume: str, index: int) -> CredentialBundle:
        """Of the volume's source at `index`. The same one until it is due.

        Raises ConfigError when there is none, or none yet.
        """

    def trust_anchors_by_name(self, name: str) -> bytes | None:
        """PEM; None when there is no ClusterTrustBundle of this name. Raises ConfigError when they cannot be read."""

    def trust_anchors_by_signer(self, signer: str, selector: meta_v1.LabelSelector | None) -> bytes | None:
        """PEM, of all ClusterTrustBundles of the signer that match; no selector matches none, an empty one all.

        None when there is no such ClusterTrustBundle. Raises ConfigError when they cannot be read.
        """


class Credentials(NamedTuple):
    """Who makes them. Without one, a volume that needs it cannot be set up."""

    tokens: TokenSource | None = None
    certificates: CertificateSource | None = None


NO_CREDENTIALS = Credentials()
