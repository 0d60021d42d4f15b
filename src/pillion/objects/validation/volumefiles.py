"""Rules for the files of volumes (core/validation: validateKeyToPath, validateDownwardAPIVolumeFile)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, Path, invalid, required
from pillion.objects.validation.env import VOLUME_FIELDS, validate_field_ref, validate_resource_field_ref
from pillion.objects.validation.paths import validate_non_reserved_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pillion.objects.models import core_v1

_MODE_WRONG = "must be a number between 0 and 0777 (octal), both inclusive"


def validate_mode(mode: int | None, path: Path) -> list[FieldError]:
    return [] if mode is None or 0 <= mode <= 0o777 else [invalid(path, mode, _MODE_WRONG)]


def validate_mode_and_items(
    mode: int | None, items: Sequence[core_v1.KeyToPath] | None, path: Path
) -> list[FieldError]:
    return validate_mode(mode, path.child("defaultMode")) + validate_items(items or (), path)


def validate_items(items: Sequence[core_v1.KeyToPath], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, item in enumerate(items):
        here = path.child("items").index(i)
        errors += [required(here.child(field)) for field in ("key", "path") if not getattr(item, field)]
        errors += validate_non_reserved_path(item.path, here.child("path"))
        errors += validate_mode(item.mode, here.child("mode"))
    return errors


def validate_downward_file(item: core_v1.DownwardAPIVolumeFile, path: Path) -> list[FieldError]:
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
    return errors + validate_mode(item.mode, path.child("mode"))
