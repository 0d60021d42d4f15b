"""The same three containers by other means, in the same minutes on the same machine: bare runc, and `podman kube play`.

Neither does all that pillion does. runc alone has no pod, network, log or supervision. Podman 4 knows no sidecars: its
containers start side by side, here without a network, because that would leave a bridge and firewall rules behind.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.figures import Figure, Note
from bench.program import NAME

ROUNDS = 5
_CONTAINERS = ("sidecar-1", "sidecar-2", "main")


def runc(folder: Path) -> list[Figure | Note]:
    """create and start three containers one after the other; kill and delete them."""
    bundle = folder / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    shutil.copy(folder / "image" / NAME, bundle / "rootfs" / NAME)
    if (bundle / "rootfs" / NAME).read_bytes()[:4] != b"\x7fELF":
        return [Note("runc alone is not measured: it needs a static program, and so gcc")]
    _run(("runc", "spec"), cwd=bundle)
    config = json.loads((bundle / "config.json").read_bytes())
    config["process"] |= {"terminal": False, "args": [f"/{NAME}"], "rlimits": []}
    (bundle / "config.json").write_text(json.dumps(config))
    command = ("runc", "--root", str(folder / "runc"))
    starts, stops = [], []
    for index in range(ROUNDS + 1):
        names = [f"pillion-bench-{index}-{name}" for name in _CONTAINERS]
        try:
            start = _timed([(*command, "run", "--detach", name) for name in names], cwd=bundle)
        finally:
            stop = _timed([(*command, "delete", "--force", name) for name in names], cwd=bundle)
        if index:
            starts.append(start)
            stops.append(stop)
    return [
        Figure("runc alone, 3 containers: run", "ms", tuple(starts)),
        Figure("runc alone, 3 containers: delete --force", "ms", tuple(stops)),
    ]


def podman(folder: Path) -> list[Figure | Note]:
    if shutil.which("podman") is None:
        return [Note("podman is not measured: it is not installed (`apt-get install podman catatonit`)")]
    environment = _podman_configuration(folder / "podman")
    command = ("podman", "--root", str(folder / "podman/root"), "--runroot", str(folder / "podman/run"))
    try:
        return _play(folder, command, environment)
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().splitlines() or [f"exit status {error.returncode}"]
        return [Note(f"podman kube play is not measured, it fails here: {said[-1]}")]
    finally:
        subprocess.run(
            (*command, "system", "reset", "--force"), env=environment, capture_output=True, check=False
        )


def _podman_configuration(folder: Path) -> dict[str, str]:
    """runc, as crun refuses hybrid cgroups; and limits that a machine without CAP_SYS_RESOURCE grants."""
    folder.mkdir()
    file = folder / "containers.conf"
    file.write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
    )
    return {**os.environ, "CONTAINERS_CONF": str(file)}


def _play(folder: Path, command: Sequence[str], environment: Mapping[str, str]) -> list[Figure | Note]:
    archive = folder / "podman/root.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(folder / "image" / NAME, NAME)
    importing = ("import", "--change", f'ENTRYPOINT ["/{NAME}"]', str(archive), "localhost/bench:1")
    _run((*command, *importing), environment=environment)
    manifest = folder / "podman/pod.json"
    container = {"image": "localhost/bench:1", "imagePullPolicy": "Never"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pillion-bench"},
        "spec": {"containers": [{"name": name, **container} for name in _CONTAINERS]},
    }
    manifest.write_text(json.dumps(pod))
    starts, stops = [], []
    for index in range(ROUNDS + 1):
        start = _timed(
            [(*command, "kube", "play", "--network", "none", str(manifest))], environment=environment
        )
        stop = _timed([(*command, "kube", "down", str(manifest))], environment=environment)
        if index:
            starts.append(start)
            stops.append(stop)
    return [
        Figure("podman kube play, 3 containers, no network", "ms", tuple(starts)),
        Figure("podman kube down, 3 containers", "ms", tuple(stops)),
    ]


def _run(
    argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    """Complaints go to a file: runc's containers keep what they inherit, and would keep a pipe open."""
    with tempfile.TemporaryFile("w+") as said:
        nowhere = subprocess.DEVNULL
        done = subprocess.run(
            argv, cwd=cwd, env=environment, stdin=nowhere, stdout=nowhere, stderr=said, check=False
        )
        if done.returncode:
            said.seek(0)
            raise subprocess.CalledProcessError(done.returncode, argv, stderr=said.read())


def _timed(
    commands: Sequence[Sequence[str]],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> float:
    """Milliseconds for all of them, one after the other."""
    begun = time.perf_counter()
    for argv in commands:
        _run(argv, cwd=cwd, environment=environment)
    return (time.perf_counter() - begun) * 1000
