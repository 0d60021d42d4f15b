"""Kubernetes objects: their types, the trees they are read from, their defaults and their validation.

Does not know files, positions in text, or what running an object means.
"""

from pillion.objects.codec import DecodeProblem, Fault, decode, encode, encode_json
from pillion.objects.defaults import default
from pillion.objects.fielderrors import FieldError
from pillion.objects.kinds import kind_class
from pillion.objects.models import DictMixin, core_v1, load_models, meta_v1
from pillion.objects.validation import validate, validate_update, warnings

__all__ = [
    "DecodeProblem",
    "DictMixin",
    "Fault",
    "FieldError",
    "core_v1",
    "decode",
    "default",
    "encode",
    "encode_json",
    "kind_class",
    "load_models",
    "meta_v1",
    "validate",
    "validate_update",
    "warnings",
]
