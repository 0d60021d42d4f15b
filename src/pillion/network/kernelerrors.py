"""What the kernel refuses by netlink, as the OSError that a system call would have raised."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from pyroute2.netlink.exceptions import NetlinkError


@contextmanager
def kernel_errors() -> Iterator[None]:
    """Also a decorator. pyroute2's own exception is none of the OSErrors and tells them apart by number only."""
    try:
        yield
    except NetlinkError as error:
        raise OSError(error.code, os.strerror(error.code)) from error
