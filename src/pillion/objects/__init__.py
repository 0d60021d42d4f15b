"""Kubernetes objects: their types, the trees they are read from, their defaults and their validation.

Does not know files, positions in text, or what running an object means.
"""

from pillion.objects.codec import DecodeProblem, Fault, decode, encode, encode_json
from pillion.objects.kinds import kind_class
from pillion.objects.models import DictMixin, core_v1, meta_v1

try:  # while defaults and validation are being written
    from pillion.objects.defaults import default  # type: ignore[import-not-found, unused-ignore]
    from pillion.objects.validation import validate  # type: ignore[attr-defined, unused-ignore]
except ImportError:
    default = validate = lambda obj: []  # noqa: ARG005

__all__ = [
    "DecodeProblem",
    "DictMixin",
    "Fault",
    "core_v1",
    "decode",
    "default",
    "encode",
    "encode_json",
    "kind_class",
    "meta_v1",
    "validate",
]
