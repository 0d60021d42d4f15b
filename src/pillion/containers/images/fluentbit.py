"""The image that stands in for Fluent Bit: `pillion collect` at Fluent Bit's places, with Fluent Bit's command line."""

from __future__ import annotations

from pillion.containers.images.hostimage import HostImage
from pillion.containers.images.ownpython import own_python
from pillion.plan.containerspec import AddedFile, Addition

_PROGRAM = "/fluent-bit/bin/fluent-bit"
_CONFIGURATION = "/fluent-bit/etc/fluent-bit.conf"

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
    python = own_python()
    additions: tuple[Addition, ...] = (
        python.program(_PROGRAM, "from pillion.cli.fluentbit import main\nmain()\n"),
        AddedFile(path=_CONFIGURATION, content=_FLUENT_BIT_CONF),
    )
    image = HostImage(
        entrypoint=(_PROGRAM,),
        command=("-c", _CONFIGURATION),
        mounts=python.mounts,
        additions=additions,
    )
    return image, "pillion's log collector stands in (`pillion collect`, by Fluent Bit's configuration)"
