"""Kubernetes objects: their types, the trees they are read from, their defaults and their validation.

Does not know files, positions in text, or what running an object means.
"""

from pillion.objects.codec import DecodeProblem, Fault, decode, encode, encode_json
from pillion.objects.kinds import kind_class
from pillion.objects.models import DictMixin, core_v1, meta_v1

__all__ = [
    "DecodeProblem",
    "DictMixin",
    "Fault",
    "core_v1",
    "decode",
    "encode",
    "encode_json",
    "kind_class",
    "meta_v1",
]
