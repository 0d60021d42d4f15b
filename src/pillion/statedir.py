"""Where everything lives under the state directory. Paths only: nothing here looks at the disk.

DIR/lock                                    held by the one pillion that owns the directory
DIR/serve.json                              the server that runs: process and port (`pillion serve`)
DIR/serve.log                               what it had to say; serve.log.1 is the file before
DIR/kubeconfig                              for kubectl: server, CA, token
DIR/pki/                                    CA, certificates, keys, the administrator's token
DIR/pki/workload/                           the authority that gives pods their identities (`pillion authority`)
DIR/objects.db                              every object, and the history of changes
DIR/network.json                            bridge, subnet and the leased addresses
DIR/images/                                 blobs, unpacked layers, references
DIR/pods/UID/                               pod.json, etc-hosts, resolv.conf, hostname
DIR/pods/UID/volumes/NAME                   one folder (or mount) per volume
DIR/pods/UID/volume-subpaths/VOLUME/CONTAINER/INDEX  what a subPath leads to, bind-mounted
DIR/pods/UID/termination/CONTAINER/ATTEMPT  the file behind terminationMessagePath
DIR/pods/UID/checkpoints/CONTAINER.ATTEMPT  how far `pillion run` has shown that log
DIR/sandboxes/UID-ATTEMPT/                  namespaces pinned to files (net, ipc, uts, pid)
DIR/containers/ID/                          OCI bundle, conmon's files, what we know about the container
DIR/exits/ID                                exit status, written by conmon
DIR/logs/NAMESPACE_NAME_UID/CONTAINER/N.log CRI log files, as under /var/log/pods
DIR/runc/                                   runc's own state
"""

from pathlib import PurePosixPath
from typing import NamedTuple


class StateDir(NamedTuple):
    """The paths below one state directory (default /var/lib/pillion)."""

    root: PurePosixPath

    @property
    def lock(self) -> PurePosixPath:
        return self.root / "lock"

    @property
    def server(self) -> PurePosixPath:
        return self.root / "serve.json"

    @property
    def server_log(self) -> PurePosixPath:
        return self.root / "serve.log"

    @property
    def kubeconfig(self) -> PurePosixPath:
        return self.root / "kubeconfig"

    @property
    def pki(self) -> PurePosixPath:
        return self.root / "pki"

    @property
    def workload_authority(self) -> PurePosixPath:
        return self.pki / "workload"

    @property
    def objects(self) -> PurePosixPath:
        return self.root / "objects.db"

    @property
    def network(self) -> PurePosixPath:
        return self.root / "network.json"

    @property
    def images(self) -> PurePosixPath:
        return self.root / "images"

    @property
    def pods(self) -> PurePosixPath:
        return self.root / "pods"

    @property
    def sandboxes(self) -> PurePosixPath:
        return self.root / "sandboxes"

    @property
    def containers(self) -> PurePosixPath:
        return self.root / "containers"

    @property
    def exits(self) -> PurePosixPath:
        return self.root / "exits"

    @property
    def logs(self) -> PurePosixPath:
        return self.root / "logs"

    @property
    def runc(self) -> PurePosixPath:
        return self.root / "runc"

    def pod(self, uid: str) -> PurePosixPath:
        return self.pods / uid

    def volume(self, uid: str, name: str) -> PurePosixPath:
        return self.pods / uid / "volumes" / name

    def sub_paths(self, uid: str) -> PurePosixPath:
        return self.pods / uid / "volume-subpaths"

    def termination_message(self, uid: str, container: str, attempt: int) -> PurePosixPath:
        return self.pods / uid / "termination" / container / str(attempt)

    def sandbox(self, uid: str, attempt: int) -> PurePosixPath:
        return self.sandboxes / f"{uid}-{attempt}"

    def container(self, container_id: str) -> PurePosixPath:
        return self.containers / container_id

    def pod_logs(self, namespace: str, name: str, uid: str) -> PurePosixPath:
        return self.logs / f"{namespace}_{name}_{uid}"

    def container_log(self, pod_logs: PurePosixPath, container: str, attempt: int) -> PurePosixPath:
        return pod_logs / container / f"{attempt}.log"
