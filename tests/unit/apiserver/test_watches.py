"""Watches: every change once, in order, from where the client says."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import msgspec
from tests.unit.apiserver.server import AS_TABLE, CONFIG_MAPS, PODS, Server, config_map, pod, serve

from pillion.apiserver import watching

MERGE = "application/merge-patch+json"


async def _label(server: Server, name: str, value: str | None) -> None:
    body = {"metadata": {"labels": {"app": value}}}
    reply = await server.call("PATCH", f"{CONFIG_MAPS}/{name}", body, content_type=MERGE)
    assert reply.code == 200


def test_a_watch_begins_with_what_is_there() -> None:
    async def check(server: Server) -> None:
        await server.create(CONFIG_MAPS, config_map("a"))
        async with server.watching(f"{CONFIG_MAPS}?watch=true") as watch:
            first = await watch.next()
            assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "a")
            created = await server.create(CONFIG_MAPS, config_map("b"))
            assert await watch.next() == {"type": "ADDED", "object": created}
            await server.call("DELETE", f"{CONFIG_MAPS}/a")
            last = await watch.next()
            assert last["type"] == "DELETED"
            assert last["object"]["metadata"]["resourceVersion"] == str(server.store.revision)

    serve(check)


def test_a_watch_from_a_revision_shows_only_what_came_after() -> None:
    async def check(server: Server) -> None:
        created = await server.create(CONFIG_MAPS, config_map("a"))
        await server.create(CONFIG_MAPS, config_map("b"))
        revision = created["metadata"]["resourceVersion"]
        async with server.watching(f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}") as watch:
            assert (await watch.next())["object"]["metadata"]["name"] == "b"

    serve(check)


def test_a_selected_object_comes_and_goes() -> None:
    async def check(server: Server) -> None:
        await server.create(CONFIG_MAPS, config_map("a"))
        revision = server.store.revision
        url = f"{CONFIG_MAPS}?watch=true&labelSelector=app=web&resourceVersion={revision}"
        async with server.watching(url) as watch:
            await _label(server, "a", "web")
            assert (await watch.next())["type"] == "ADDED"
            await server.call("PATCH", f"{CONFIG_MAPS}/a", {"data": {"x": "y"}}, content_type=MERGE)
            assert (await watch.next())["type"] == "MODIFIED"
            await _label(server, "a", "api")
            left = await watch.next()
            assert left["type"] == "DELETED"
            assert left["object"]["metadata"]["labels"] == {"app": "web"}
            assert left["object"]["metadata"]["resourceVersion"] == str(server.store.revision)
            await server.call("DELETE", f"{CONFIG_MAPS}/a")
            await server.create(CONFIG_MAPS, config_map("b"))
            await _label(server, "b", "web")
            assert (await watch.next())["object"]["metadata"]["name"] == "b"

    serve(check)


def test_a_watch_list_marks_the_end_of_the_beginning() -> None:
    async def check(server: Server) -> None:
        await server.create(CONFIG_MAPS, config_map("a"))
        url = (
            f"{CONFIG_MAPS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
            "&allowWatchBookmarks=true"
        )
        async with server.watching(url) as watch:
            assert (await watch.next())["type"] == "ADDED"
            bookmark = await watch.next()
            assert bookmark["type"] == "BOOKMARK"
            metadata = bookmark["object"]["metadata"]
            assert metadata["annotations"] == {"k8s.io/initial-events-end": "true"}
            assert metadata["resourceVersion"] == str(server.store.revision)
            await server.create(CONFIG_MAPS, config_map("b"))
            assert (await watch.next())["object"]["metadata"]["name"] == "b"

    serve(check)


def test_initial_events_need_a_match() -> None:
    async def check(server: Server) -> None:
        reply = await server.get(f"{CONFIG_MAPS}?watch=true&sendInitialEvents=true")
        assert (reply.code, reply.tree["reason"]) == (422, "Invalid")
        assert (
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan" in reply.tree["message"]
        )

    serve(check)


def test_rows_are_watched_too_and_name_their_columns_once() -> None:
    async def check(server: Server) -> None:
        async with server.watching(f"{PODS}?watch=true", accept=AS_TABLE) as watch:
            await server.create(PODS, pod("a"))
            await server.create(PODS, pod("b"))
            first, second = await watch.next(), await watch.next()
            assert first["object"]["kind"] == "Table"
            assert first["object"]["columnDefinitions"][0]["name"] == "Name"
            assert second["object"]["columnDefinitions"] is None
            assert second["object"]["rows"][0]["cells"][0] == "b"

    serve(check)


def test_history_that_is_forgotten_is_an_error_event() -> None:
    async def check(server: Server) -> None:
        async with server.watching(f"{CONFIG_MAPS}?watch=true&resourceVersion=99") as watch:
            event = await watch.next()
            assert (event["type"], event["object"]["code"]) == ("ERROR", 504)
            assert await watch.ended()

    serve(check)


def test_a_watch_ends_when_its_time_is_up() -> None:
    async def check(server: Server) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        async with server.watching(f"{CONFIG_MAPS}?watch=true&timeoutSeconds=1") as watch:
            assert await watch.ended()
            assert 0.9 < loop.time() - start < 4

    serve(check)


def test_a_client_that_hangs_up_leaves_nothing() -> None:
    async def check(server: Server) -> None:
        before = asyncio.all_tasks()
        async with server.watching(f"{CONFIG_MAPS}?watch=true") as watch:
            await server.create(CONFIG_MAPS, config_map("a"))
            await watch.next()
        assert asyncio.all_tasks() == before
        metrics = (await server.get("/metrics")).body.decode()
        assert (
            'apiserver_longrunning_requests{verb="watch",group="",version="v1",resource="configmaps"'
            in metrics
        )
        assert metrics.splitlines()[-1].endswith(" 0")

    serve(check)


def test_kinds_that_are_not_run_can_be_watched() -> None:
    async def check(server: Server) -> None:
        async with server.watching("/apis/apps/v1/deployments?watch=true&timeoutSeconds=1") as watch:
            assert await watch.ended()
            assert watch.code == 200

    serve(check)


def test_an_idle_watch_is_told_how_far_it_is() -> None:
    async def check(server: Server) -> None:
        plan = watching.WatchPlan(
            storage="configmaps",
            namespace=None,
            matches=None,
            since=None,
            sends_initial=False,
            ends_initial=False,
            wants_bookmarks=True,
            timeout_seconds=30,
            kind="ConfigMap",
            api_version="v1",
        )
        async with aclosing(
            watching.events(server.store, plan, lambda value: value, bookmark_seconds=0.01)
        ) as lines:
            first = msgspec.json.decode(await anext(lines))
            assert first["type"] == "BOOKMARK"
            await server.create(PODS, pod())
            bookmarks = [msgspec.json.decode(await anext(lines)) for _ in range(2)]
            assert bookmarks[-1]["object"] == {
                "kind": "ConfigMap",
                "apiVersion": "v1",
                "metadata": {"resourceVersion": str(server.store.revision), "creationTimestamp": None},
            }

    serve(check)
