"""The labels that tell relabelling where a group comes from. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pillion.scraper.configuration import TargetGroup


def with_meta(groups: Iterable[TargetGroup], name: str, value: str) -> tuple[TargetGroup, ...]:
    return tuple(msgspec.structs.replace(group, labels={**group.labels, name: value}) for group in groups)
