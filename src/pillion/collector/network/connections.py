"""Connections that are kept between deliveries: each delivery has one to itself while it lasts."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Closable(Protocol):
    def close(self) -> None: ...


T = TypeVar("T", bound=Closable)


class Connections(Generic[T]):
    """`connect` opens one; `is_usable` says of one that was idle whether the other side has kept it, too."""

    def __init__(
        self, connect: Callable[[int], T], is_usable: Callable[[T], bool], *, is_kept: bool = True
    ) -> None:
        self._connect = connect
        self._is_usable = is_usable
        self._is_kept = is_kept
        self._lock = threading.Lock()
        self._idle: list[T] = []

    @contextmanager
    def one(self, wake: int) -> Iterator[T]:
        """It is closed when the delivery fails."""
        connection = self._take() or self._connect(wake)
        is_good = False
        try:
            yield connection
            is_good = self._is_kept
        finally:
            if is_good:
                with self._lock:
                    self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> T | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if self._is_usable(connection):
                return connection
            connection.close()
