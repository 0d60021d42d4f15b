"""`proxy.yaml`, with the place of everything that is wrong. Pure.

`load(text, file) -> Configuration` is the way in; it raises ConfigurationError (a ManifestError) with one line
`FILE:LINE: path.of.key: what is wrong; what to do` for each fault. `render` writes a configuration back, `schema` tells
editors what the file may say. All of it follows from the tables in `tables`.
"""

from pillion.proxy.configuration.failure import ConfigurationError, Fault
from pillion.proxy.configuration.loading import load
from pillion.proxy.configuration.rendering import render, schema

__all__ = ["ConfigurationError", "Fault", "load", "render", "schema"]
