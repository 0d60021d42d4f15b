"""Private keys on their way to Envoy: in anonymous memory files that it inherits, under no name that others can open.

A folder would not do: /dev/shm, the usual place for what must not reach a disk, is shared by all containers of a Pod
(the CRI gives them the sandbox's), and an agent that runs as root would read the key of its proxy there. Envoy opens
/dev/fd/N, as its own documentation of `path_config_source` expects for what a parent hands over
(source/common/filesystem/posix/filesystem_impl.cc, illegalPath).
"""

from __future__ import annotations

import os
from collections import deque

from pillion.errors import HostError


class KeyFiles:
    """A fixed number of files, as a running Envoy inherits no more. `close` must be called in the end.

    A key that takes another's place gets a file of its own; the old file is used again as late as possible. So Envoy
    never reads a key that is half written, and an update that was refused can be taken back.
    """

    def __init__(self, count: int) -> None:
        self.descriptors = tuple(os.memfd_create("key") for _ in range(count))
        self._free = deque(self.descriptors)
        self._placed: dict[str, tuple[str, int]] = {}

    def place(self, name: str, pem: str) -> str:
        """The path under which Envoy reads the key of this certificate. Raises HostError when no file is left."""
        placed, descriptor = self._placed.get(name, ("", -1))
        if placed == pem and descriptor >= 0:
            return f"/dev/fd/{descriptor}"
        if not self._free:
            raise HostError(
                f"cannot hand another private key to the running Envoy: it was given places for "
                f"{len(self.descriptors)}; restart the proxy"
            )
        if descriptor >= 0:
            self._free.append(descriptor)
        descriptor = self._free.popleft()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, pem.encode(), 0)
        self._placed[name] = (pem, descriptor)
        return f"/dev/fd/{descriptor}"

    def keep_only(self, names: set[str]) -> None:
        """Forget the keys of other certificates."""
        for name in set(self._placed) - names:
            _, descriptor = self._placed.pop(name)
            os.ftruncate(descriptor, 0)
            self._free.append(descriptor)

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)
