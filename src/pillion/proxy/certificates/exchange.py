"""What a child that reads certificates is asked, and what it answers."""

from __future__ import annotations

import msgspec

from pillion.proxy.certificates.faults import Fault
from pillion.proxy.certificates.material import Material
from pillion.proxy.certificates.reading import read_all
from pillion.proxy.configuration.values import Configuration
from pillion.units import Instant


class Question(msgspec.Struct, frozen=True):
    configuration: Configuration
    now: Instant


class Answer(msgspec.Struct, frozen=True):
    """Of one `certificates` entry."""

    name: str
    outcome: Material | tuple[Fault, ...]


def answer(question: bytes) -> bytes:
    """The child's whole work, both ways in MessagePack."""
    asked = msgspec.msgpack.decode(question, type=Question)
    return msgspec.msgpack.encode(
        [
            Answer(name, outcome if isinstance(outcome, Material) else outcome.faults)
            for name, outcome in read_all(asked.configuration, asked.now).items()
        ]
    )
