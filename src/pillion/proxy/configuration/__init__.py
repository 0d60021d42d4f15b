"""`proxy.yaml`, with the place of everything that is wrong. Pure.

`load(text, file) -> Configuration` is the way in; it raises ConfigurationError (a ManifestError) with one line
`FILE:LINE: path.of.key: what is wrong; what to do` for each fault. `render` writes a configuration back, `schema` tells
editors what the file may say. All of it follows from the tables in `tables`.

The names below are loaded when they are first used: a sidecar that serves needs `values` only, and not the YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pillion.proxy.configuration.failure import ConfigurationError, Fault
    from pillion.proxy.configuration.loading import load
    from pillion.proxy.configuration.rendering import render, schema

__all__ = ["ConfigurationError", "Fault", "load", "render", "schema"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pillion.proxy.configuration import failure, loading, rendering

    return next(getattr(module, name) for module in (failure, loading, rendering) if hasattr(module, name))
