"""Target groups as files and HTTP servers give them (discovery/file, readFile; discovery/http, Refresh)."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

from pillion.scraper.configuration.decoding import Decoder
from pillion.scraper.configuration.failure import Complaints, ConfigurationError, Fault, Place
from pillion.scraper.configuration.targetgroups import TargetGroup
from pillion.scraper.configuration.yamlnodes import Scalar, YamlError, compose

_NULL_GROUP = "nil target group item found"


class _JsonGroup(msgspec.Struct, forbid_unknown_fields=True):
    targets: list[str] | None = None
    labels: dict[str, str] | None = None


_JSON = msgspec.json.Decoder(list[_JsonGroup | None] | None)


def read_target_groups(body: bytes, file: str) -> tuple[TargetGroup, ...]:
    """What a file of targets says: JSON if its name ends in `.json`, else YAML.

    `source` of each group is `FILE:NUMBER`, as in Prometheus. Raises ConfigurationError.
    """
    if PurePosixPath(file).suffix.lower() == ".json":
        return decode_target_groups(body, file)
    complaints = Complaints()
    groups = _read_yaml(body, file, complaints)
    complaints.raise_faults(file)
    return tuple(
        msgspec.structs.replace(group, source=f"{file}:{number}") for number, group in enumerate(groups)
    )


def decode_target_groups(body: bytes, origin: str) -> tuple[TargetGroup, ...]:
    """The same from JSON; `origin` is a file or a URL. Raises ConfigurationError."""
    try:
        groups = _JSON.decode(body) or []
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(origin, [Fault(place=Place(origin), text=str(error))]) from None
    return tuple(_group(group, origin, number) for number, group in enumerate(groups))


def _group(group: _JsonGroup | None, origin: str, number: int) -> TargetGroup:
    if group is None:
        raise ConfigurationError(origin, [Fault(place=Place(origin), text=_NULL_GROUP)])
    return TargetGroup(
        targets=tuple(group.targets or ()), labels=group.labels or {}, source=f"{origin}:{number}"
    )


def _read_yaml(body: bytes, file: str, complaints: Complaints) -> tuple[TargetGroup, ...]:
    try:
        root = compose(body.decode("utf-8-sig"))
    except YamlError as error:
        complaints.fault(Place(file, error.line), str(error))
        return ()
    except UnicodeDecodeError as error:
        line = body[: error.start].count(b"\n") + 1
        complaints.fault(Place(file, line), "yaml: invalid leading UTF-8 octet")
        return ()
    if root is None or (isinstance(root, Scalar) and root.value is None):
        return ()
    decoder = Decoder(file, complaints)
    return decoder.items(TargetGroup, root, _NULL_GROUP)
