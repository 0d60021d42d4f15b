"""Reading and checking in a short-lived child, which takes `cryptography` along when it ends.

A sidecar reads certificates when it starts and once in hours; between, 11 MB of a library would lie in its memory. The
child gets the configuration, and answers through a pipe: keys are never on a disk, nor on a command line.
"""

from __future__ import annotations

import sys

import msgspec

from pillion import process
from pillion.errors import Bug, HostError
from pillion.proxy.certificates.exchange import Answer, Question
from pillion.proxy.certificates.faults import CertificateError
from pillion.proxy.certificates.material import Material
from pillion.proxy.certificates.reading import place
from pillion.proxy.configuration.values import Configuration
from pillion.units import Instant

PATIENCE = 60.0
"""Seconds for a machine that is very busy: alone, the child takes a fifth of one."""
_MAX_ANSWER = 64 << 20


async def read_all_apart(
    configuration: Configuration, now: Instant
) -> dict[str, Material | CertificateError]:
    """What `read_all` returns. Raises HostError when the child cannot be run."""
    if not configuration.certificates:
        return {}
    completed = await process.run(
        [sys.executable, "-m", "pillion.proxy.certificates"],
        input=msgspec.msgpack.encode(Question(configuration, now)),
        timeout=PATIENCE,
        max_output=_MAX_ANSWER,
    )
    try:
        answers = msgspec.msgpack.decode(completed.stdout, type=list[Answer])
    except msgspec.DecodeError as error:
        raise HostError(f"cannot read certificates: the child's answer was cut off ({error})") from error
    return {answer.name: _outcome(configuration, answer) for answer in answers}


def _outcome(configuration: Configuration, answer: Answer) -> Material | CertificateError:
    if isinstance(answer.outcome, Material):
        return answer.outcome
    asked = next((one for one in configuration.certificates if one.name == answer.name), None)
    if asked is None:
        raise Bug(f"the child answered for certificates.{answer.name}, which was not asked for")
    return CertificateError(place(configuration.file, asked), asked.name, answer.outcome)
