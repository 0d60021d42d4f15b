"""What takes long does not hold up who waits for something short."""

from __future__ import annotations

import asyncio
import threading

import msgspec
import pytest
from tests.unit.apiserver.server import CONFIG_MAPS, Server, config_map, serve

from pillion.apiserver.aside import LONG_BYTES, run_aside
from pillion.apiserver.responding import Answer, send_answer


@pytest.mark.parametrize(("size", "is_beside"), [(0, False), (LONG_BYTES - 1, False), (LONG_BYTES, True)])
def test_only_long_work_goes_to_a_thread(size: int, is_beside: bool) -> None:
    async def main() -> None:
        assert (await run_aside(size, threading.get_ident) != threading.get_ident()) is is_beside

    asyncio.run(main())


def test_what_long_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(run_aside(LONG_BYTES, divmod, 1, 0))


def test_a_long_answer_is_sent_in_parts_that_add_up() -> None:
    body = bytes(range(256)) * 4096
    sent = []

    async def send(message) -> None:
        sent.append(message)

    asyncio.run(send_answer(Answer(body=body), send))
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(body)).encode()
    parts = [message["body"] for message in sent[1:]]
    assert (b"".join(parts), len(parts)) == (body, 4)
    assert [message.get("more_body", False) for message in sent[1:]] == [True, True, True, False]


@pytest.mark.parametrize("method", ["create", "update", "apply", "merge"])
def test_big_objects_are_written_and_read_like_small_ones(method: str) -> None:
    big = {f"key-{index}": "x" * 50 for index in range(5000)}

    async def check(server: Server) -> None:
        tree = config_map(**big)
        body = msgspec.json.encode(tree)
        assert len(body) > LONG_BYTES
        if method == "create":
            reply = await server.call("POST", CONFIG_MAPS, body)
        else:
            await server.create(CONFIG_MAPS, config_map())
            url = f"{CONFIG_MAPS}/a?fieldManager=me"
            match method:
                case "update":
                    reply = await server.call("PUT", url, body)
                case "apply":
                    reply = await server.call("PATCH", url, body, content_type="application/apply-patch+yaml")
                case _:
                    reply = await server.call("PATCH", url, body, content_type="application/merge-patch+json")
        assert reply.code in (200, 201), reply.body[:300]
        assert (await server.get(f"{CONFIG_MAPS}/a")).tree["data"] == big
        (listed,) = (await server.get(CONFIG_MAPS)).tree["items"]
        assert listed["data"] == big

    serve(check)


def test_a_big_body_is_refused_like_a_small_one() -> None:
    async def check(server: Server) -> None:
        body = b"{" + b" " * LONG_BYTES
        for kind in ("application/json", "application/yaml"):
            reply = await server.call("POST", CONFIG_MAPS, body, content_type=kind)
            assert (reply.code, reply.tree["reason"]) == (400, "BadRequest")

    serve(check)
