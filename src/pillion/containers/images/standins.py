"""Stand-ins: host images that take the place of well-known images, so that their manifests run without a registry.

Each says in one sentence what stands in for what; `--no-stand-ins` turns all of them off.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pillion.containers.images.failure import ImageError, PullFailure
from pillion.containers.images.fluentbit import fluent_bit
from pillion.containers.images.hostimage import HostImage, host_config
from pillion.plan.containerspec import AddedFile, AddedFolder, AddedLink, ImageConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.containers.images.reference import Reference
    from pillion.plan.containerspec import Addition

_BUNDLED_PROMETHEUS = "share/pillion/prometheus/usr/bin/prometheus"
"""Below the environment that pillion is installed in: there `make` puts it."""
_DEBIAN_STORAGE = "/var/lib/prometheus/metrics2"
"""Debian's default for `--storage.tsdb.path`, as `prometheus --help` says; upstream's is `data`."""
_NOBODY = 65534
_PROMETHEUS_YML = b"""\
global:
  scrape_interval: 15s
scrape_configs:
- job_name: prometheus
  static_configs:
  - targets: ["localhost:9090"]
"""


def stand_in(asked: Reference) -> ImageConfig | None:
    """The image that stands in for `asked`, if there is one. Raises ImageError when it needs a missing program."""
    build = _STAND_INS.get(asked.repository)
    if build is None:
        return None
    image, sentence = build()
    return host_config(image, reference=str(asked), substitutes=f"{_familiar(asked)}: {sentence}")


def _familiar(asked: Reference) -> str:
    """As people write it: `prom/prometheus:latest`."""
    return str(asked).removeprefix("docker.io/").removeprefix("library/")


def _prometheus() -> tuple[HostImage, str]:
    found = shutil.which("prometheus")
    program = Path(found) if found else Path(sys.prefix, _BUNDLED_PROMETHEUS)
    if not program.exists():
        raise ImageError(
            PullFailure.PULL,
            "the image prom/prometheus is run with this machine's own Prometheus, which is not installed: "
            "run `apt-get install prometheus`, or `pillion image load FILE`, or name another source: "
            "`pillion run|serve … --image prom/prometheus=SOURCE`",
        )
    image = HostImage(
        entrypoint=(str(program),),
        command=("--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"),
        working_dir="/prometheus",
        user="nobody",
        additions=_prometheus_additions(),
    )
    return image, f"this machine's {program} stands in"


def _prometheus_additions() -> tuple[Addition, ...]:
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


def _pause() -> tuple[HostImage, str]:
    # As PID 1 only a signal with a handler ends the shell.
    script = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait; done"
    return HostImage(entrypoint=("/bin/sh", "-c", script)), "a sleeping shell stands in"


def _plain(name: str, *command: str) -> Callable[[], tuple[HostImage, str]]:
    def build() -> tuple[HostImage, str]:
        return HostImage(command=command), f"this machine's own filesystem stands in (not {name}'s)"

    return build


_STAND_INS: dict[str, Callable[[], tuple[HostImage, str]]] = {
    "docker.io/fluent/fluent-bit": fluent_bit,
    "cr.fluentbit.io/fluent/fluent-bit": fluent_bit,
    "docker.io/prom/prometheus": _prometheus,
    "quay.io/prometheus/prometheus": _prometheus,
    "registry.k8s.io/pause": _pause,
    "docker.io/library/busybox": _plain("busybox", "sh"),
    "docker.io/library/debian": _plain("debian", "bash"),
    "docker.io/library/ubuntu": _plain("ubuntu", "bash"),
    "docker.io/library/python": _plain("python", "python3"),
}
