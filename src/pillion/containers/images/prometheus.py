"""The image that stands in for Prometheus: this machine's own Prometheus, or where there is none, `pillion scrape`.

Both have the image's place of everything: user, folders, configuration, command line.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pillion.containers.images.hostimage import HostImage
from pillion.containers.images.ownpython import own_python
from pillion.plan.containerspec import AddedFile, AddedFolder, AddedLink, Addition

_PROGRAM = "/bin/prometheus"
_BUNDLED = "share/pillion/prometheus/usr/bin/prometheus"
"""Below the environment that pillion is installed in: there `make` puts it."""
_DEBIAN_STORAGE = "/var/lib/prometheus/metrics2"
"""Debian's default for `--storage.tsdb.path`, as `prometheus --help` says; upstream's is `data`."""
_COMMAND = ("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus")
_NOBODY = 65534
_PROMETHEUS_YML = b"""\
global:
  scrape_interval: 15s
scrape_configs:
- job_name: prometheus
  static_configs:
  - targets: ["localhost:9090"]
"""


def prometheus() -> tuple[HostImage, str]:
    """The image, and what to say of it."""
    found = shutil.which("prometheus")
    program = Path(found) if found else Path(sys.prefix, _BUNDLED)
    if not program.exists():
        return (
            _scraper(),
            "pillion's metrics scraper stands in (`pillion scrape`, by Prometheus' configuration)",
        )
    image = HostImage(
        entrypoint=(str(program),),
        command=_COMMAND,
        working_dir="/prometheus",
        user="nobody",
        additions=_additions(),
    )
    return image, f"this machine's {program} stands in"


def _scraper() -> HostImage:
    python = own_python()
    folder = Path(_PROGRAM).parent.resolve()  # of a link to /usr/bin: additions go below folders only
    program = python.program(
        str(folder / "prometheus"), 'from pillion.cli import main\nmain(["scrape", *sys.argv[1:]])\n'
    )
    return HostImage(
        entrypoint=(_PROGRAM,),
        command=_COMMAND,
        working_dir="/prometheus",
        user="nobody",
        mounts=python.mounts,
        additions=(program, *_additions()),
    )


def _additions() -> tuple[Addition, ...]:
    """What the image has and the host has not: an own storage folder and a configuration.

    Without `--storage.tsdb.path` (a Pod's `args` replace it) the image stores in `data` of its working directory, and
    Debian's program in a folder of its own, which is led there: it is not ours, and may hold the host's own metrics.
    """
    return (
        AddedFolder(path="/prometheus", uid=_NOBODY, gid=_NOBODY),
        AddedFolder(path="/prometheus/data", uid=_NOBODY, gid=_NOBODY),
        AddedLink(path=_DEBIAN_STORAGE, target="/prometheus/data"),
        AddedFile(path="/etc/prometheus/prometheus.yml", content=_PROMETHEUS_YML),
    )
