"""Rules for paths inside a volume or on the host (core/validation: validateLocalDescendingPath and friends)."""

from __future__ import annotations

from pillion.objects.fielderrors import FieldError, Path, invalid


def validate_no_backsteps(target: str, path: Path) -> list[FieldError]:
    """One error is enough, however many steps back there are."""
    return [invalid(path, target, "must not contain '..'")] if ".." in target.split("/") else []


def validate_descending_path(target: str, path: Path) -> list[FieldError]:
    """Relative, and going down only."""
    relative = [invalid(path, target, "must be a relative path")] if target.startswith("/") else []
    return relative + validate_no_backsteps(target, path)


def validate_non_reserved_path(target: str, path: Path) -> list[FieldError]:
    """Descending, and not one of the names that begin with `..`, which belong to the atomic writer."""
    errors = validate_descending_path(target, path)
    if target.startswith("..") and not target.startswith("../"):
        errors.append(invalid(path, target, "must not start with '..'"))
    return errors
