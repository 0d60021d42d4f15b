"""Variables in the values of external labels, as Go's os.Expand finds them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pillion.scraper.labels.labels import as_text

_VARIABLE = re.compile(
    r"\$(?:\{([*#$@!?\-0-9])\}|\{([A-Za-z0-9_]*)\}|(\{[^}]*\}?)|([*#$@!?\-0-9])|([A-Za-z0-9_]+))", re.ASCII
)


def expand_variables(text: str, environment: Mapping[str, str], missing: list[str]) -> str:
    """`$NAME` and `${NAME}`; `$$` is a dollar. What is not set, or empty, is empty and added to `missing`."""

    def value(found: re.Match[str]) -> str:
        if found[3] is not None:
            return ""  # bad syntax: eaten
        name = found[1] or found[2] or found[4] or found[5] or ""
        if name == "$":
            return "$"
        if name and not environment.get(name):
            missing.append(name)
        return as_text(environment.get(name, ""))

    return _VARIABLE.sub(value, text)
