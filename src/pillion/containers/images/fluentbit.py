"""The image that stands in for Fluent Bit: `pillion collect` at Fluent Bit's places, with Fluent Bit's command line."""

from __future__ import annotations

import sys
from pathlib import Path

import pillion
from pillion.containers.images.hostimage import HostImage
from pillion.plan.containerspec import AddedFile, Addition, Mount

_INSIDE = "/usr/lib/pillion"
_PROGRAM = "/fluent-bit/bin/fluent-bit"
_CONFIGURATION = "/fluent-bit/etc/fluent-bit.conf"
_SYSTEM = ("/usr", "/opt", "/nix")
"""Below these a Python can be reached by every user."""

_FLUENT_BIT_CONF = b"""\
# The configuration of the image itself, for Pods that mount none: the files of the log volumes, to standard output.
# A line that is a JSON object is passed on as it is, any other one as {"log": "..."}.
[SERVICE]
    Flush        1
    Parsers_File parsers.conf

[INPUT]
    Name           tail
    Tag            logs
    Path           ${PILLION_LOG_PATHS}
    Exclude_Path   *.gz,*.zst,*.bz2,*.xz,*.lz4,*.zip
    Parser         json
    Read_from_Head on

[OUTPUT]
    Name          stdout
    Match         *
    Format        json_lines
    json_date_key false
"""


def fluent_bit() -> tuple[HostImage, str]:
    """The image, and what to say of it."""
    python, mounts, paths = _python()
    launcher = f"#!{python} -IB\nimport sys\nsys.path[:0] = {paths!r}\nfrom pillion.cli.fluentbit import main\nmain()\n"
    additions: tuple[Addition, ...] = (
        AddedFile(path=_PROGRAM, content=launcher.encode(), mode=0o755),
        AddedFile(path=_CONFIGURATION, content=_FLUENT_BIT_CONF),
    )
    image = HostImage(
        entrypoint=(_PROGRAM,),
        command=("-c", _CONFIGURATION),
        mounts=mounts,
        additions=additions,
    )
    return image, "pillion's log collector stands in (`pillion collect`, by Fluent Bit's configuration)"


def _python() -> tuple[str, tuple[Mount, ...], list[str]]:
    """A Python with pillion that a container with any user may run: interpreter, mounts, and folders of modules.

    Our own may lie in somebody's home, which others cannot enter; a mount leads past the folders above it.
    """
    folders = [Path(entry) for entry in sys.path if entry.endswith("-packages") and Path(entry).is_dir()]
    source = Path(pillion.__file__).parent.parent
    if source not in folders:
        folders.insert(0, source)  # installed in place (`pip install -e`)
    mounts = []
    inside = []
    for number, folder in enumerate(folders):
        place = f"{_INSIDE}/{number}"
        mounts.append(Mount(source=str(folder), destination=place, read_only=True))
        inside.append(place)
    base = Path(sys.base_prefix).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    if str(base).startswith(_SYSTEM):
        return str(base / "bin" / version), tuple(mounts), inside
    mounts.append(Mount(source=str(base), destination=f"{_INSIDE}/python", read_only=True))
    return f"{_INSIDE}/python/bin/{version}", tuple(mounts), inside
