"""Configuration and certificates, read apart: values come back, and errors as they would have been raised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pillion.errors import HostError, ManifestError, PillionError
from pillion.proxy.application.apart import ApartWork
from pillion.proxy.application.watching import Signature, look
from pillion.proxy.certificates.faults import CertificateError, Fault
from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import Configuration

if TYPE_CHECKING:
    from pillion.units import Instant


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What there is now."""

    configuration: Configuration
    found: dict[str, Material | CertificateError]
    """By the names of `certificates`."""
    signatures: dict[str, Signature]
    """Of the files, as they were before they were read."""


class _Refused(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration cannot be read."""

    text: str
    is_ours: bool
    """It is the file's fault, not the machine's."""


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    material: Material | None = None
    place: str = ""
    faults: tuple[Fault, ...] = ()


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    refused: _Refused | None = None
    configuration: Configuration | None = None
    found: dict[str, _Outcome] = {}
    signatures: dict[str, Signature] = {}


class Reading:
    """Under way from now on. `close` must be called in the end."""

    def __init__(self, file: str, now: Instant, *, configuration: Configuration | None = None) -> None:
        """`configuration`: read its certificates only."""
        self._child = ApartWork(lambda: _read(file, now, configuration))

    async def result(self) -> Read:
        """Raises ManifestError, one line for each fault, and HostError when the file cannot be read."""
        answer = msgspec.msgpack.decode(await self._child.answer(), type=_Answer)
        if answer.refused is not None:
            kind = ManifestError if answer.refused.is_ours else HostError
            raise kind(answer.refused.text)
        assert answer.configuration is not None
        found = {
            name: outcome.material or CertificateError(outcome.place, name, outcome.faults)
            for name, outcome in answer.found.items()
        }
        return Read(configuration=answer.configuration, found=found, signatures=answer.signatures)

    def close(self) -> None:
        self._child.close()


async def read_again(file: str, now: Instant) -> Read:
    """Both. Raises as `Reading.result`."""
    return await _result(Reading(file, now))


async def read_certificates_again(configuration: Configuration, now: Instant) -> Read:
    return await _result(Reading(configuration.file, now, configuration=configuration))


async def _result(reading: Reading) -> Read:
    try:
        return await reading.result()
    finally:
        reading.close()


def _read(file: str, now: Instant, configuration: Configuration | None) -> bytes:
    """In the child."""
    from pillion.proxy.application.preparation import load_configuration, watched_paths
    from pillion.proxy.certificates.reading import place, read_all

    signatures = look([file] if configuration is None else [])
    try:
        loaded = load_configuration(file) if configuration is None else configuration
    except PillionError as error:
        refused = _Refused(text=str(error), is_ours=isinstance(error, ManifestError))
        return msgspec.msgpack.encode(_Answer(refused=refused))
    signatures |= look(watched_paths(loaded))
    places = {one.name: place(loaded.file, one) for one in loaded.certificates}
    found = {
        name: _Outcome(material=outcome)
        if isinstance(outcome, Material)
        else _Outcome(place=places[name], faults=outcome.faults)
        for name, outcome in read_all(loaded, now).items()
    }
    return msgspec.msgpack.encode(_Answer(configuration=loaded, found=found, signatures=signatures))
