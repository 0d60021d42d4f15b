"""Rules for volumes (core/validation: ValidateVolumes, validateVolumeSource)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, duplicate, forbidden, invalid, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.models import core_v1
from pillion.objects.validation import names
from pillion.objects.validation.paths import validate_no_backsteps
from pillion.objects.validation.projections import validate_projections
from pillion.objects.validation.volumefiles import (
    validate_downward_file,
    validate_mode,
    validate_mode_and_items,
)
from pillion.units import parse_quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_HOST_PATH_TYPES = (
    *("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"),
)

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
            return [*missing, *validate_mode_and_items(source.defaultMode, source.items, path)]
        case core_v1.ConfigMapVolumeSource():
            missing = [] if source.name else [required(path.child("name"))]
            return [*missing, *validate_mode_and_items(source.defaultMode, source.items, path)]
        case core_v1.DownwardAPIVolumeSource():
            errors = validate_mode(source.defaultMode, path.child("defaultMode"))
            for item in source.items or ():
                errors += validate_downward_file(item, path)
            return errors
        case core_v1.ProjectedVolumeSource():
            errors = validate_mode(source.defaultMode, path.child("defaultMode"))
            return errors + validate_projections(source.sources or (), path)
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
