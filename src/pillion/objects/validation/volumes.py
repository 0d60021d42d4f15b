"""Rules for volumes (core/validation: ValidateVolumes, validateVolumeSource, validateProjectionSources)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.objects.fielderrors import FieldError, Path, duplicate, forbidden, invalid, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1, meta_v1
from pillion.objects.validation import names
from pillion.objects.validation.env import VOLUME_FIELDS, validate_field_ref, validate_resource_field_ref
from pillion.objects.validation.metadata import validate_label_selector
from pillion.objects.validation.paths import validate_no_backsteps, validate_non_reserved_path
from pillion.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_HOST_PATH_TYPES = (
    *("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
)
_MODE_WRONG = "must be a number between 0 and 0777 (octal), both inclusive"
_MIN_TOKEN_SECONDS = 600
_MAX_TOKEN_SECONDS = 1 << 32

# Kubernetes looks at the sources in this order; the second one it meets is the one too many.
_SOURCES = (
    *("emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs"),
    *("iscsi", "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte"),
    *("downwardAPI", "fc", "flexVolume", "configMap", "azureFile", "vsphereVolume"),
    *("photonPersistentDisk", "portworxVolume", "azureDisk", "storageos", "projected", "scaleIO"),
    *("csi", "ephemeral", "image"),
)
# How upstream spells the path of a second source, where that is not the field's name.
_SECOND_SOURCE_NAMES = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}

AnySource = (
    core_v1.EmptyDirVolumeSource
    | core_v1.HostPathVolumeSource
    | core_v1.SecretVolumeSource
    | core_v1.ConfigMapVolumeSource
    | core_v1.DownwardAPIVolumeSource
    | core_v1.ProjectedVolumeSource
    | core_v1.PersistentVolumeClaimVolumeSource
    | core_v1.NFSVolumeSource
    | core_v1.CSIVolumeSource
    | core_v1.EphemeralVolumeSource
    | core_v1.ImageVolumeSource
)


def validate_volumes(
    volumes: Sequence[core_v1.Volume], pod_name: str | None, path: Path
) -> tuple[dict[str, core_v1.Volume], list[FieldError]]:
    """The volumes that containers may refer to, by name: those without errors. And the errors."""
    errors: list[FieldError] = []
    usable: dict[str, core_v1.Volume] = {}
    created_claims = {f"{pod_name}-{volume.name}" for volume in volumes if pod_name and volume.ephemeral}
    for i, volume in enumerate(volumes):
        here = path.index(i)
        own = _validate_source(volume, pod_name, here)
        if volume.name:
            own += names.check(here.child("name"), volume.name, names.dns_label)
        else:
            own.append(required(here.child("name")))
        if volume.name in usable:
            own.append(duplicate(here.child("name"), volume.name))
        if not own:
            usable[volume.name] = volume
        errors += own
        claim = volume.persistentVolumeClaim
        if claim is not None and claim.claimName in created_claims:
            claim_path = here.child("persistentVolumeClaim", "claimName")
            detail = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid(claim_path, claim.claimName, detail))
    return usable, errors


def volume_sources(volume: core_v1.Volume) -> list[str]:
    """The names of the sources that are set, in Kubernetes' order. There should be one."""
    return [field for field in _SOURCES if getattr(volume, field) is not None]


def validate_pull_policy(policy: str | None, path: Path) -> list[FieldError]:
    if not policy:
        return [required(path)]
    return [] if policy in PULL_POLICIES else [unsupported(path, policy, PULL_POLICIES)]


def _validate_source(volume: core_v1.Volume, pod_name: str | None, path: Path) -> list[FieldError]:
    present = volume_sources(volume)
    if not present:
        return [required(path, "must specify a volume type")]
    first, *others = present
    errors = _validate_source_fields(getattr(volume, first), path.child(first))
    if first == "ephemeral" and pod_name and volume.name:
        claim = f"{pod_name}-{volume.name}"
        errors += [
            invalid(path.child("name"), volume.name, f'PVC name "{claim}": {sentence}')
            for sentence in names.dns_subdomain(claim)
        ]
    for other in others:
        where = path.child(_SECOND_SOURCE_NAMES.get(other, other))
        errors.append(forbidden(where, "may not specify more than 1 volume type"))
    return errors


def _validate_source_fields(source: object, path: Path) -> list[FieldError]:
    """What is said of sources that only a cluster can serve ends with their required names."""
    match source:
        case core_v1.EmptyDirVolumeSource():
            return _validate_empty_dir(source, path)
        case core_v1.HostPathVolumeSource():
            return _validate_host_path(source, path)
        case core_v1.SecretVolumeSource():
            missing = [] if source.secretName else [required(path.child("secretName"))]
            return [*missing, *_validate_mode_and_items(source.defaultMode, source.items, path)]
        case core_v1.ConfigMapVolumeSource():
            missing = [] if source.name else [required(path.child("name"))]
            return [*missing, *_validate_mode_and_items(source.defaultMode, source.items, path)]
        case core_v1.DownwardAPIVolumeSource():
            errors = _validate_mode(source.defaultMode, path.child("defaultMode"))
            for item in source.items or ():
                errors += _validate_downward_file(item, path)
            return errors
        case core_v1.ProjectedVolumeSource():
            errors = _validate_mode(source.defaultMode, path.child("defaultMode"))
            return errors + _validate_projections(source.sources or (), path)
        case core_v1.PersistentVolumeClaimVolumeSource():
            return [] if source.claimName else [required(path.child("claimName"))]
        case core_v1.NFSVolumeSource():
            return _validate_nfs(source, path)
        case core_v1.CSIVolumeSource():
            return [] if source.driver else [required(path.child("driver"))]
        case core_v1.EphemeralVolumeSource():
            template = source.volumeClaimTemplate
            return [] if template is not None else [required(path.child("volumeClaimTemplate"))]
        case core_v1.ImageVolumeSource():
            missing = [] if source.reference else [required(path.child("reference"))]
            return [*missing, *validate_pull_policy(source.pullPolicy, path.child("pullPolicy"))]
        case _:
            return []


def _validate_empty_dir(source: core_v1.EmptyDirVolumeSource, path: Path) -> list[FieldError]:
    try:
        negative = parse_quantity(source.sizeLimit or "0") < 0
    except ValueError:
        negative = True
    if not negative:
        return []
    return [forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity")]


def _validate_host_path(source: core_v1.HostPathVolumeSource, path: Path) -> list[FieldError]:
    if not source.path:
        return [required(path.child("path"))]
    errors = validate_no_backsteps(source.path, path.child("path"))
    if (source.type or "") not in _HOST_PATH_TYPES:
        errors.append(unsupported(path.child("type"), source.type, _HOST_PATH_TYPES))
    return errors


def _validate_nfs(source: core_v1.NFSVolumeSource, path: Path) -> list[FieldError]:
    errors = [required(path.child(field)) for field in ("server", "path") if not getattr(source, field)]
    if not source.path.startswith("/"):
        errors.append(invalid(path.child("path"), source.path, "must be an absolute path"))
    return errors


def _validate_mode(mode: int | None, path: Path) -> list[FieldError]:
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(path, mode, _MODE_WRONG)]


def _validate_mode_and_items(
    mode: int | None, items: Sequence[core_v1.KeyToPath] | None, path: Path
) -> list[FieldError]:
    return _validate_mode(mode, path.child("defaultMode")) + _validate_items(items or (), path)


def _validate_items(items: Sequence[core_v1.KeyToPath], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, item in enumerate(items):
        here = path.child("items").index(i)
        errors += [required(here.child(field)) for field in ("key", "path") if not getattr(item, field)]
        errors += validate_non_reserved_path(item.path, here.child("path"))
        errors += _validate_mode(item.mode, here.child("mode"))
    return errors


def _validate_downward_file(item: core_v1.DownwardAPIVolumeFile, path: Path) -> list[FieldError]:
    """Upstream gives the path of the volume, not that of the item."""
    errors = [] if item.path else [required(path.child("path"))]
    errors += validate_non_reserved_path(item.path, path.child("path"))
    if item.fieldRef is not None:
        errors += validate_field_ref(item.fieldRef, VOLUME_FIELDS, path.child("fieldRef"))
        if item.resourceFieldRef is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", detail))
    elif item.resourceFieldRef is not None:
        errors += validate_resource_field_ref(
            item.resourceFieldRef, path.child("resourceFieldRef"), in_volume=True
        )
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + _validate_mode(item.mode, path.child("mode"))


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


def _validate_projections(sources: Sequence[core_v1.VolumeProjection], path: Path) -> list[FieldError]:
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
                errors += _validate_downward_file(item, here.child("downwardAPI"))
                errors += targets.write(item.path, item.path)
        if source.serviceAccountToken is not None:
            errors += _validate_token(source.serviceAccountToken, path, here.child("serviceAccountToken"))
        if source.clusterTrustBundle is not None:
            errors += _validate_trust_bundle(
                source.clusterTrustBundle, targets, here.child("clusterTrustBundle")
            )
        fields = (*(projection for _, projection in keyed), source.downwardAPI, source.serviceAccountToken)
        given = (*fields, source.clusterTrustBundle, source.podCertificate)
        if sum(projection is not None for projection in given) > 1:
            errors.append(forbidden(here, "may not specify more than 1 volume type per source"))
    return errors


def _validate_keyed_projection(
    projection: core_v1.SecretProjection | core_v1.ConfigMapProjection, targets: _Targets, path: Path
) -> list[FieldError]:
    errors = [] if projection.name else [required(path.child("name"))]
    errors += _validate_items(projection.items or (), path)
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
        if bundle.labelSelector is not None:
            detail = "labelSelector must be unset if name is specified"
            errors.append(invalid(path.child("labelSelector"), bundle.labelSelector, detail))
    elif bundle.signerName is not None:
        if not bundle.signerName:
            errors.append(required(path.child("signerName"), "must be a valid signer name"))
        errors += validate_label_selector(bundle.labelSelector, path.child("labelSelector"))
    else:
        errors.append(required(path, "either name or signerName must be specified"))
    if not bundle.path:
        errors.append(required(path.child("path")))
    errors += validate_non_reserved_path(bundle.path, path.child("path"))
    return errors + targets.write(bundle.path, bundle.path)


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
