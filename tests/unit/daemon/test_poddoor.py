"""The address at which pods find the API server."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address

import pytest

from pillion.daemon.poddoor import PodDoor
from pillion.errors import HostError

HERE = IPv4Address("127.0.0.77")
"""Loopback stands for a bridge."""


def a_free_port() -> int:
    with socket.create_server((str(HERE), 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_whoever_calls_before_the_server_answers_waits_for_it() -> None:
    async def scenario() -> None:
        door = PodDoor(a_free_port())
        door.open(HERE, "lo")
        door.open(HERE, "lo")
        with (
            await door.listener() as listener,
            socket.create_connection(listener.getsockname(), timeout=5) as client,
        ):
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"hello")
                assert client.recv(5) == b"hello"
        assert door.addresses == (str(HERE),)

    asyncio.run(scenario())


def test_a_door_that_nobody_came_for_is_closed() -> None:
    async def scenario() -> None:
        port = a_free_port()
        door = PodDoor(port)
        door.open(HERE, "lo")
        door.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((str(HERE), port), timeout=5)

    asyncio.run(scenario())


def test_a_place_that_is_taken_is_an_error_and_may_be_tried_again() -> None:
    async def scenario() -> None:
        with socket.create_server((str(HERE), 0)) as taken:
            door = PodDoor(taken.getsockname()[1])
            with pytest.raises(HostError, match="Address already in use"):
                door.open(HERE, "lo")
            assert door.addresses == ()
        door.open(HERE, "lo")
        assert door.addresses == (str(HERE),)
        door.close()

    asyncio.run(scenario())
