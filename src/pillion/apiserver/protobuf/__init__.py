"""Kubernetes' protobuf bodies, read into the trees that JSON would have given. Answers are always JSON.

Does not know what objects mean, and does not write protobuf.
"""

from pillion.apiserver.protobuf.envelope import MEDIA_TYPE, decode
from pillion.apiserver.protobuf.wire import ProtobufError

__all__ = ["MEDIA_TYPE", "ProtobufError", "decode"]
