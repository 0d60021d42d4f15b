"""Rules for the sources of projected volumes (core/validation: validateProjectionSources)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.objects.fielderrors import FieldError, Path, forbidden, invalid, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1, meta_v1
from pillion.objects.validation import names, signers
from pillion.objects.validation.metadata import validate_annotations_size, validate_label_selector
from pillion.objects.validation.paths import validate_non_reserved_path
from pillion.objects.validation.volumefiles import validate_downward_file, validate_items

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
MIN_CERTIFICATE_SECONDS = 3600
"""pkg/apis/certificates/types.go: MinMaxExpirationSeconds; at most 91 days, and one of Kubernetes' own signers."""
_MAX_CERTIFICATE_SECONDS = 91 * 86_400
_MAX_KUBERNETES_CERTIFICATE_SECONDS = 86_400
_MIN_TOKEN_SECONDS = 600
_MAX_TOKEN_SECONDS = 1 << 32


class _Targets(msgspec.Struct):
    """The files that a projected volume has so far: no two sources may write the same one."""

    path: Path
    written: set[str]

    def write(self, target: str, blamed: str) -> list[FieldError]:
        if not target:
            return []
        if target in self.written:
            return [invalid(self.path, blamed, "conflicting duplicate paths")]
        self.written.add(target)
        return []


def validate_projections(sources: Sequence[core_v1.VolumeProjection], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    targets = _Targets(path, set())
    for i, source in enumerate(sources):
        here = path.child("sources").index(i)
        keyed = (("secret", source.secret), ("configMap", source.configMap))
        for field, projection in keyed:
            if projection is not None:
                errors += _validate_keyed_projection(projection, targets, here.child(field))
        if source.downwardAPI is not None:
            for item in source.downwardAPI.items or ():
                errors += validate_downward_file(item, here.child("downwardAPI"))
                errors += targets.write(item.path, item.path)
        if source.serviceAccountToken is not None:
            errors += _validate_token(source.serviceAccountToken, path, here.child("serviceAccountToken"))
        if source.clusterTrustBundle is not None:
            errors += _validate_trust_bundle(
                source.clusterTrustBundle, targets, here.child("clusterTrustBundle")
            )
        if source.podCertificate is not None:
            errors += _validate_certificate(source.podCertificate, targets, here.child("podCertificate"))
        fields = (*(projection for _, projection in keyed), source.downwardAPI, source.serviceAccountToken)
        given = (*fields, source.clusterTrustBundle, source.podCertificate)
        if sum(projection is not None for projection in given) > 1:
            errors.append(forbidden(here, "may not specify more than 1 volume type per source"))
    return errors


def _validate_keyed_projection(
    projection: core_v1.SecretProjection | core_v1.ConfigMapProjection, targets: _Targets, path: Path
) -> list[FieldError]:
    errors = [] if projection.name else [required(path.child("name"))]
    errors += validate_items(projection.items or (), path)
    for item in projection.items or ():
        errors += targets.write(item.path, projection.name or "")
    return errors


def _validate_token(
    token: core_v1.ServiceAccountTokenProjection, volume_path: Path, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    seconds = token.expirationSeconds
    if seconds is not None and seconds < _MIN_TOKEN_SECONDS:
        detail = "may not specify a duration less than 10 minutes"
        errors.append(invalid(path.child("expirationSeconds"), seconds, detail))
    if seconds is not None and seconds > _MAX_TOKEN_SECONDS:
        detail = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(path.child("expirationSeconds"), seconds, detail))
    # Upstream names the path of the volume here, not that of the source.
    target_path = volume_path.child("path")
    if not token.path:
        return [*errors, required(target_path)]
    return errors + validate_non_reserved_path(token.path, target_path)


def _validate_trust_bundle(
    bundle: core_v1.ClusterTrustBundleProjection, targets: _Targets, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    if bundle.name is not None and bundle.signerName is not None:
        detail = "only one of name and signerName may be used"
        errors.append(invalid(path, _internal_trust_bundle(bundle), detail))
    elif bundle.name is not None:
        if not bundle.name:
            errors.append(required(path.child("name"), "must be a valid object name"))
        errors += signers.validate_trust_bundle_name(bundle.name, path.child("name"))
        if bundle.labelSelector is not None:
            detail = "labelSelector must be unset if name is specified"
            errors.append(invalid(path.child("labelSelector"), bundle.labelSelector, detail))
    elif bundle.signerName is not None:
        if not bundle.signerName:
            errors.append(required(path.child("signerName"), "must be a valid signer name"))
        errors += signers.validate_signer_name(bundle.signerName, path.child("signerName"))
        errors += validate_label_selector(bundle.labelSelector, path.child("labelSelector"))
    else:
        errors.append(required(path, "either name or signerName must be specified"))
    if not bundle.path:
        errors.append(required(path.child("path")))
    errors += validate_non_reserved_path(bundle.path, path.child("path"))
    return errors + targets.write(bundle.path, bundle.path)


def _validate_certificate(
    asked: core_v1.PodCertificateProjection, targets: _Targets, path: Path
) -> list[FieldError]:
    errors = signers.validate_signer_name(asked.signerName, path.child("signerName"))
    errors += _validate_user_annotations(asked.userAnnotations or {}, path.child("userAnnotations"))
    if asked.keyType not in KEY_TYPES:
        errors.append(unsupported(path.child("keyType"), asked.keyType, KEY_TYPES))
    errors += _validate_lifetime(asked, path.child("maxExpirationSeconds"))
    paths = [
        (field, target)
        for field in ("credentialBundlePath", "keyPath", "certificateChainPath")
        if (target := getattr(asked, field))
    ]
    for field, target in paths:
        errors += validate_non_reserved_path(target, path.child(field))
        errors += targets.write(target, target)
    if not paths:
        detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(path, detail))
    return errors


def _validate_lifetime(asked: core_v1.PodCertificateProjection, path: Path) -> list[FieldError]:
    seconds = asked.maxExpirationSeconds
    if seconds is None:
        return []
    if seconds < MIN_CERTIFICATE_SECONDS:
        detail = f"if provided, maxExpirationSeconds must be >= {MIN_CERTIFICATE_SECONDS}"
        return [invalid(path, seconds, detail)]
    of_kubernetes = signers.is_kubernetes_signer(asked.signerName)
    most = _MAX_KUBERNETES_CERTIFICATE_SECONDS if of_kubernetes else _MAX_CERTIFICATE_SECONDS
    if seconds > most:
        return [invalid(path, seconds, f"if provided, maxExpirationSeconds must be <= {most}")]
    return []


def _validate_user_annotations(annotations: Mapping[str, str], path: Path) -> list[FieldError]:
    """As annotations, but every key has a domain (ValidateUserAnnotations, apimachinery: IsDomainPrefixedKey)."""
    errors: list[FieldError] = []
    for key in sorted(annotations):
        lower = key.lower()
        wrong = [invalid(path, lower, sentence) for sentence in names.qualified_name(lower)]
        if not key:
            wrong = [required(path)]
        elif not wrong and "/" not in key:
            wrong = [invalid(path, lower, 'must be a domain-prefixed key (such as "acme.io/foo")')]
        errors += wrong
    return errors + validate_annotations_size(annotations, path)


def _internal_trust_bundle(bundle: core_v1.ClusterTrustBundleProjection) -> dict[str, object]:
    """Kubernetes' internal types have no JSON names: Go's own names show."""
    selector: meta_v1.LabelSelector | None = bundle.labelSelector
    return {
        "Name": bundle.name,
        "SignerName": bundle.signerName,
        "LabelSelector": selector,
        "Optional": bundle.optional,
        "Path": bundle.path,
    }
