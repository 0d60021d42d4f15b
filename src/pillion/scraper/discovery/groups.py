"""Target groups as files and servers write them (discovery/targetgroup, targetgroup.go). Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pillion.scraper.configuration import TargetGroup
from pillion.scraper.configuration.decoding import Decoder
from pillion.scraper.configuration.failure import Complaints
from pillion.scraper.configuration.yamlnodes import YamlError, compose
from pillion.scraper.labels import ValidationScheme, is_label_name
from pillion.units import quote

_NULL_GROUP = "nil target group item found"


class GroupError(ValueError):
    """The text holds no target groups. One line."""


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    targets: list[str] | None = None
    labels: dict[str, str] | None = None


def groups_of_json(data: bytes) -> tuple[TargetGroup, ...]:
    """Raises GroupError."""
    try:
        written = msgspec.json.decode(data, type=list[_Written | None] | None) or ()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise GroupError(str(error)) from None
    groups = []
    for each in written:
        if each is None:
            raise GroupError(_NULL_GROUP)
        labels = each.labels or {}
        for name in labels:
            if not is_label_name(name, ValidationScheme.UTF8):
                raise GroupError(f"{quote(name)} is not a valid label name")
        groups.append(TargetGroup(targets=tuple(each.targets or ()), labels=labels))
    return tuple(groups)


def groups_of_yaml(data: bytes, file: str) -> tuple[TargetGroup, ...]:
    """Raises GroupError."""
    try:
        root = compose(data.decode("utf-8-sig"))
    except YamlError as error:
        raise GroupError(str(error)) from None
    except UnicodeDecodeError as error:
        raise GroupError(f"it is not UTF-8 (byte {error.start})") from None
    if root is None:
        return ()
    complaints = Complaints()
    groups = Decoder(file, complaints).items(TargetGroup, root, _NULL_GROUP)
    if complaints.faults:
        raise GroupError("; ".join(f"line {fault.place.line}: {fault.text}" for fault in complaints.faults))
    return groups


def labelled(groups: Iterable[TargetGroup], source: str, meta: tuple[str, str]) -> tuple[TargetGroup, ...]:
    """With the label that tells where they come from."""
    return tuple(
        msgspec.structs.replace(group, labels={**group.labels, meta[0]: meta[1]}, source=f"{source}:{index}")
        for index, group in enumerate(groups)
    )
