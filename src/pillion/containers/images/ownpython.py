"""A Python with pillion in it, for the programs of stand-ins that are pillion's own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import pillion
from pillion.plan.containerspec import AddedFile, Mount

_INSIDE = "/usr/lib/pillion"
_SYSTEM = ("/usr", "/opt", "/nix")
"""Below these a Python can be reached by every user."""


class OwnPython(NamedTuple):
    """That a container with any user may run."""

    command: str
    """The interpreter, as a `#!` line has it."""
    mounts: tuple[Mount, ...]
    """What the interpreter and the modules need."""
    paths: tuple[str, ...]
    """Folders of modules, inside."""

    def program(self, path: str, statements: str) -> AddedFile:
        """An executable at `path` that runs `statements`, wherever it is called from."""
        launcher = f"#!{self.command} -IB\nimport sys\nsys.path[:0] = {list(self.paths)!r}\n{statements}"
        return AddedFile(path=path, content=launcher.encode(), mode=0o755)


def own_python() -> OwnPython:
    """Our own may lie in somebody's home, which others cannot enter; a mount leads past the folders above it."""
    folders = [Path(entry) for entry in sys.path if entry.endswith("-packages") and Path(entry).is_dir()]
    source = Path(pillion.__file__).parent.parent
    if source not in folders:
        folders.insert(0, source)  # installed in place (`pip install -e`)
    inside = [f"{_INSIDE}/{number}" for number in range(len(folders))]
    mounts = [
        Mount(source=str(folder), destination=place, read_only=True)
        for folder, place in zip(folders, inside, strict=True)
    ]
    base = Path(sys.base_prefix).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if str(base).startswith(_SYSTEM):
        return OwnPython(str(base / "bin" / version), tuple(mounts), tuple(inside))
    mounts.append(Mount(source=str(base), destination=f"{_INSIDE}/python", read_only=True))
    # Its libpython is looked for where it was built to be, which others cannot enter, and then in /usr/lib, which may
    # have another one.
    libraries = f"LD_LIBRARY_PATH={_INSIDE}/python/lib"
    command = f"/usr/bin/env -S {libraries} {_INSIDE}/python/bin/{version}"
    return OwnPython(command, tuple(mounts), tuple(inside))
