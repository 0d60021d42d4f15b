"""Stand-ins: host images that take the place of well-known images, so that their manifests run without a registry.

Each says in one sentence what stands in for what; `--no-stand-ins` turns all of them off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pillion.containers.images.envoy import envoy, proxy
from pillion.containers.images.fluentbit import fluent_bit
from pillion.containers.images.hostimage import HostImage, host_config
from pillion.containers.images.prometheus import prometheus

if TYPE_CHECKING:
    from collections.abc import Callable

    from pillion.containers.images.reference import Reference
    from pillion.plan.containerspec import ImageConfig


def stand_in(asked: Reference) -> ImageConfig | None:
    """The image that stands in for `asked`, if there is one. Raises ImageError when what it needs is not here."""
    build = _STAND_INS.get(_as_published(asked.repository))
    if build is None:
        return None
    image, sentence = build()
    return host_config(image, reference=str(asked), substitutes=f"{_familiar(asked)}: {sentence}")


def _as_published(repository: str) -> str:
    """pillion's own image is built by whoever uses it, and has the registry and the prefix of their choice."""
    return _OWN if repository.endswith(f"/{_OWN_NAME}") else repository


def _familiar(asked: Reference) -> str:
    """As people write it: `prom/prometheus:latest`."""
    return str(asked).removeprefix("docker.io/").removeprefix("library/")


def _pause() -> tuple[HostImage, str]:
    # As PID 1 only a signal with a handler ends the shell.
    script = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait; done"
    return HostImage(entrypoint=("/bin/sh", "-c", script)), "a sleeping shell stands in"


def _plain(name: str, *command: str) -> Callable[[], tuple[HostImage, str]]:
    def build() -> tuple[HostImage, str]:
        return HostImage(command=command), f"this machine's own filesystem stands in (not {name}'s)"

    return build


_OWN_NAME = "pillion/proxy"
_OWN = f"docker.io/{_OWN_NAME}"
_STAND_INS: dict[str, Callable[[], tuple[HostImage, str]]] = {
    "docker.io/fluent/fluent-bit": fluent_bit,
    "cr.fluentbit.io/fluent/fluent-bit": fluent_bit,
    "docker.io/prom/prometheus": prometheus,
    "quay.io/prometheus/prometheus": prometheus,
    _OWN: proxy,
    "docker.io/envoyproxy/envoy": envoy,
    "registry.k8s.io/pause": _pause,
    "docker.io/library/busybox": _plain("busybox", "sh"),
    "docker.io/library/debian": _plain("debian", "bash"),
    "docker.io/library/ubuntu": _plain("ubuntu", "bash"),
    "docker.io/library/python": _plain("python", "python3"),
}
