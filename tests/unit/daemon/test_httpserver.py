"""The socket that the API answers on."""

from __future__ import annotations

import asyncio
import socket

from pillion.daemon.httpserver import listen


def test_an_answer_leaves_without_waiting_for_the_client_to_acknowledge_its_head() -> None:
    async def accepted_by_asyncio() -> int:
        accepted = asyncio.get_running_loop().create_future()

        def meet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            accepted.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen(0)
        async with await asyncio.start_server(meet, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            has_no_delay = await accepted
            writer.close()
            await writer.wait_closed()
        return int(has_no_delay)

    assert asyncio.run(accepted_by_asyncio()) == 1
