"""What a Pod asks of its log collector by its annotations: `fluentbit.io/parser`, `fluentbit.io/exclude`.

    fluentbit.io/<property>[_stdout|_stderr][-<container>]

Source: Fluent Bit's plugins/filter_kubernetes/kube_property.c (`flb_kube_prop_set`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import msgspec

_PREFIX = "fluentbit.io/"
_HINT = re.compile(r"(parser|exclude)(?:_(stdout|stderr))?(?:-(.+))?")
_TRUE = ("true", "on", "yes")
STREAMS = ("stdout", "stderr")


class Hints(msgspec.Struct, frozen=True, kw_only=True):
    """By stream."""

    parsers: dict[str, str] = {}
    excluded: frozenset[str] = frozenset()

    def excludes(self, stream: str | None) -> bool:
        """A record of no stream is left out when both are."""
        return stream in self.excluded if stream in STREAMS else len(self.excluded) == len(STREAMS)

    def parser(self, stream: str | None) -> str | None:
        """A record of no stream has one when it is the same for both."""
        if stream in STREAMS:
            return self.parsers.get(str(stream))
        names = {self.parsers.get(each) for each in STREAMS}
        return names.pop() if len(names) == 1 else None


def hints(
    annotations: Mapping[str, str],
    container: str,
    *,
    parser: bool,
    exclude: bool,
    warn: Callable[[str], None],
) -> Hints:
    """Of the container's records; `parser` and `exclude` say which hints are listened to. What names the container
    counts more than what does not."""
    chosen: dict[tuple[str, str], tuple[bool, str]] = {}
    allowed = {"parser": parser, "exclude": exclude}
    for name, value in annotations.items():
        if not name.startswith(_PREFIX):
            continue
        hint = _HINT.fullmatch(name.removeprefix(_PREFIX))
        if hint is None:
            warn(f"the annotation {name} is none that is known")
            continue
        what, stream, whose = hint[1], hint[2], hint[3]
        if whose and not container.startswith(whose):
            continue
        if not allowed[what]:
            warn(f"the annotation {name} is not listened to: k8s-logging.{what} is off")
            continue
        for each in (stream,) if stream else STREAMS:
            before = chosen.get((what, each))
            if whose or before is None:
                chosen[what, each] = (bool(whose), value)
    return Hints(
        parsers={stream: value for (what, stream), (_, value) in chosen.items() if what == "parser"},
        excluded=frozenset(
            stream
            for (what, stream), (_, value) in chosen.items()
            if what == "exclude" and value.lower() in _TRUE
        ),
    )
