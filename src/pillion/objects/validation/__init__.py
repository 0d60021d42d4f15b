"""What Kubernetes' API server refuses, in its own words, and what it warns of.

Every function takes objects with their defaults and returns errors as values, all of them at once, each once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.objects.fielderrors import FieldError, distinct
from pillion.objects.models import core_v1
from pillion.objects.validation import configuration, podupdates
from pillion.objects.validation.pods import validate_pod
from pillion.objects.validation.warnings import warnings

if TYPE_CHECKING:
    from pillion.objects.models import DictMixin

__all__ = [
    "validate",
    "validate_ephemeral_containers_update",
    "validate_pod_status_update",
    "validate_pod_update",
    "validate_update",
    "warnings",
]


def validate(obj: DictMixin) -> list[FieldError]:
    """What forbids an object to be created. Kinds without rules here are let through."""
    match obj:
        case core_v1.Pod():
            errors = validate_pod(obj)
        case core_v1.ConfigMap():
            errors = configuration.validate_config_map(obj)
        case core_v1.Secret():
            errors = configuration.validate_secret(obj)
        case core_v1.Namespace():
            errors = configuration.validate_namespace(obj)
        case _:
            errors = []
    return distinct(errors)


def validate_update(new: DictMixin, old: DictMixin) -> list[FieldError]:
    """What forbids an object to be replaced by another one of its kind."""
    match new, old:
        case core_v1.Pod(), core_v1.Pod():
            return validate_pod_update(new, old)
        case core_v1.ConfigMap(), core_v1.ConfigMap():
            return distinct(configuration.validate_config_map_update(new, old))
        case core_v1.Secret(), core_v1.Secret():
            return distinct(configuration.validate_secret_update(new, old))
        case core_v1.Namespace(), core_v1.Namespace():
            return distinct(configuration.validate_namespace_update(new, old))
        case _:
            return []


def validate_pod_update(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    """A change to a Pod's metadata and spec."""
    return distinct(podupdates.validate_pod_update(new, old))


def validate_pod_status_update(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    """A change to a Pod through its status subresource."""
    return distinct(podupdates.validate_pod_status_update(new, old))


def validate_ephemeral_containers_update(new: core_v1.Pod, old: core_v1.Pod) -> list[FieldError]:
    """A change to a Pod through its ephemeralcontainers subresource."""
    return distinct(podupdates.validate_ephemeral_containers_update(new, old))
