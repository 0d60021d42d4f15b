"""Rules for what a container does with volumes (core/validation: ValidateVolumeMounts, ValidateVolumeDevices)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, forbidden, invalid, not_found, required
from pillion.objects.fielderrors import not_supported as unsupported
from pillion.objects.validation.paths import validate_descending_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pillion.objects.models import core_v1

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE_READ_ONLY = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(
    mounts: Sequence[core_v1.VolumeMount],
    devices: Sequence[core_v1.VolumeDevice],
    volumes: Mapping[str, core_v1.Volume],
    security: core_v1.SecurityContext | None,
    path: Path,
) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    device_paths = {device.devicePath for device in devices}
    device_names = {device.name for device in devices}
    for i, mount in enumerate(mounts):
        here = path.index(i)
        if not mount.name:
            errors.append(required(here.child("name")))
        if mount.name not in volumes:
            errors.append(not_found(here.child("name"), mount.name))
        if not mount.mountPath:
            errors.append(required(here.child("mountPath")))
        if mount.mountPath in taken:
            errors.append(invalid(here.child("mountPath"), mount.mountPath, "must be unique"))
        taken.add(mount.mountPath)
        if mount.name in device_names:
            errors.append(invalid(here.child("name"), mount.name, "must not already exist in volumeDevices"))
        if mount.mountPath in device_paths:
            detail = "must not already exist as a path in volumeDevices"
            errors.append(invalid(here.child("mountPath"), mount.mountPath, detail))
        # For the rest, upstream gives paths without the index of the mount, but for one.
        errors += _validate_sub_paths(mount, here, path)
        if mount.mountPropagation is not None:
            errors += _validate_propagation(mount.mountPropagation, security, path.child("mountPropagation"))
        errors += _validate_recursive_read_only(mount, path.child("recursiveReadOnly"))
    return errors


def validate_devices(
    devices: Sequence[core_v1.VolumeDevice],
    mounts: Sequence[core_v1.VolumeMount],
    volumes: Mapping[str, core_v1.Volume],
    path: Path,
) -> list[FieldError]:
    errors: list[FieldError] = []
    taken_names: set[str] = set()
    taken_paths: set[str] = set()
    mount_paths = {mount.mountPath for mount in mounts}
    mount_names = {mount.name for mount in mounts}
    for i, device in enumerate(devices):
        name_path, device_path = path.index(i).child("name"), path.index(i).child("devicePath")
        volume = volumes.get(device.name)
        if not device.name:
            errors.append(required(name_path))
        if device.name in taken_names:
            errors.append(invalid(name_path, device.name, "must be unique"))
        if volume is None:
            errors.append(not_found(name_path, device.name))
        elif volume.persistentVolumeClaim is None and volume.ephemeral is None:
            detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(name_path, device.name, detail))
        if not device.devicePath:
            errors.append(required(device_path))
        if device.devicePath in taken_paths:
            errors.append(invalid(device_path, device.devicePath, "must be unique"))
        if ".." in device.devicePath.split("/"):
            detail = "can not contain backsteps ('..')"
            errors.append(invalid(device_path, device.devicePath, detail))
        else:
            taken_paths.add(device.devicePath)
        if device.name in mount_names:
            errors.append(invalid(name_path, device.name, "must not already exist in volumeMounts"))
        if device.devicePath in mount_paths:
            detail = "must not already exist as a path in volumeMounts"
            errors.append(invalid(device_path, device.devicePath, detail))
        if device.name:
            taken_names.add(device.name)
    return errors


def _validate_sub_paths(mount: core_v1.VolumeMount, here: Path, mounts_path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if mount.subPath:
        errors += validate_descending_path(mount.subPath, mounts_path.child("subPath"))
    if mount.subPathExpr:
        if mount.subPath:
            detail = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(here.child("subPathExpr"), mount.subPathExpr, detail))
        errors += validate_descending_path(mount.subPathExpr, mounts_path.child("subPathExpr"))
    return errors


def _validate_propagation(
    propagation: str, security: core_v1.SecurityContext | None, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    if propagation not in _PROPAGATIONS:
        errors.append(unsupported(path, propagation, _PROPAGATIONS))
    if propagation == "Bidirectional" and not (security and security.privileged):
        detail = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(path, detail))
    return errors


def _validate_recursive_read_only(mount: core_v1.VolumeMount, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    mode = mount.recursiveReadOnly
    if mode in ("Enabled", "IfPossible"):
        if not mount.readOnly:
            errors.append(forbidden(path, "may only be specified when readOnly is true"))
        if mount.mountPropagation not in (None, "None"):
            detail = "may only be specified when mountPropagation is None or not specified"
            errors.append(forbidden(path, detail))
    elif mode not in (None, "Disabled"):
        errors.append(unsupported(path, mode, _RECURSIVE_READ_ONLY))
    return errors
