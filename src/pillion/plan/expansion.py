"""`$(NAME)` references in env values, commands, arguments and subPathExpr.

The rules of k8s.io/kubernetes/third_party/forked/golang/expansion: `$(NAME)` is replaced, `$$` is a literal `$`
(so `$$(NAME)` survives as `$(NAME)`), everything else is literal, and a replaced value is not looked at again.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from pillion.objects.models import core_v1

_TOKEN = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, lookup: Callable[[str], str | None]) -> str:
    """Replace every reference that `lookup` knows; a name it does not know (None) stays as it is written."""

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        value = lookup(name)
        return match[0] if value is None else value

    return _TOKEN.sub(replace, text)


def expand_all(texts: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(expand(text, env.get) for text in texts)


def static_environment(env: Iterable[core_v1.EnvVar]) -> dict[str, str]:
    """What the spec alone tells of a container's environment: literal values, not expanded; "" for `valueFrom`.

    pkg/kubelet/container/helpers.go: ExpandContainerCommandOnlyStatic.
    """
    return {var.name: var.value or "" for var in env}
