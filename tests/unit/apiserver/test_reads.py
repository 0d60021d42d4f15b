"""Get and list: selections, pages, revisions, and the forms an answer can have."""

from __future__ import annotations

import msgspec
import pytest
import yaml
from tests.unit.apiserver.server import AS_TABLE, CONFIG_MAPS, PODS, Server, config_map, pod, serve

AS_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def _names(tree: dict) -> list[str]:  # type: ignore[type-arg]
    return [item["metadata"]["name"] for item in tree["items"]]


async def _fill(server: Server) -> None:
    for name, labels in {
        "a": {"app": "web", "tier": "1"},
        "b": {"app": "api", "tier": "2"},
        "c": {"app": "web"},
        "d": {},
    }.items():
        tree = config_map(name)
        tree["metadata"]["labels"] = labels
        await server.create(CONFIG_MAPS, tree)


LABELS = [
    ("", "abcd"),
    ("app", "abc"),
    ("!app", "d"),
    ("app=web", "ac"),
    ("app==web,tier", "a"),
    ("app!=web", "bd"),
    ("app in (web, api)", "abc"),
    ("app in (web),!tier", "c"),
    ("app notin (web)", "bd"),
    ("tier>1", "b"),
    ("tier<2", "a"),
    ("app=", ""),
]


@pytest.mark.parametrize(("selector", "expected"), LABELS)
def test_labels_select(selector: str, expected: str) -> None:
    async def check(server: Server) -> None:
        await _fill(server)
        reply = await server.get(f"{CONFIG_MAPS}?labelSelector={selector}")
        assert _names(reply.tree) == list(expected)

    serve(check)


BAD_SELECTORS = [
    ("labelSelector=a b", "found 'b', expected: "),
    ("labelSelector=a in b", "unable to parse requirement: "),
    ("labelSelector=-a", 'unable to parse requirement: key: Invalid value: "-a": '),
    ("labelSelector=a>b", "the value must be an integer"),
    ("fieldSelector=spec.x=1", '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ("fieldSelector=nothing", "invalid selector: 'nothing'; can't understand 'nothing'"),
    ("limit=x", 'strconv.ParseInt: parsing "x": invalid syntax'),
    ("continue=x", "continue key is not valid"),
    ("resourceVersion=x", "invalid resource version"),
]  # fmt: skip


@pytest.mark.parametrize(("query", "message"), BAD_SELECTORS)
def test_a_question_that_cannot_be_read_is_refused(query: str, message: str) -> None:
    async def check(server: Server) -> None:
        reply = await server.get(f"{CONFIG_MAPS}?{query}")
        assert (reply.code, reply.tree["reason"]) == (400, "BadRequest")
        assert message in reply.tree["message"]

    serve(check)


def test_fields_select() -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod("a", nodeName="n"))
        await server.create(PODS, pod("b"))
        for selector, expected in (
            ("metadata.name=a", ["a"]),
            ("metadata.name!=a", ["b"]),
            ("spec.nodeName=n", ["a"]),
            ("spec.nodeName=", ["b"]),
            ("status.phase=Pending,spec.hostNetwork=false", ["a", "b"]),
            ("status.phase!=Pending", []),
        ):
            reply = await server.get(f"/api/v1/pods?fieldSelector={selector}")
            assert _names(reply.tree) == expected, selector

    serve(check)


def test_pages_are_of_one_moment() -> None:
    async def check(server: Server) -> None:
        await _fill(server)
        first = (await server.get(f"{CONFIG_MAPS}?limit=2")).tree
        assert _names(first) == ["a", "b"]
        assert first["metadata"]["remainingItemCount"] == 2
        await server.call("DELETE", f"{CONFIG_MAPS}/c")
        await server.create(CONFIG_MAPS, config_map("bb"))
        token = first["metadata"]["continue"]
        second = (await server.get(f"{CONFIG_MAPS}?limit=2&continue={token}")).tree
        assert _names(second) == ["c", "d"]
        assert second["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}
        exact = f"resourceVersion={first['metadata']['resourceVersion']}&resourceVersionMatch=Exact"
        assert _names((await server.get(f"{CONFIG_MAPS}?{exact}")).tree) == ["a", "b", "c", "d"]

    serve(check)


def test_a_page_whose_moment_is_forgotten_is_gone() -> None:
    async def check(server: Server) -> None:
        await _fill(server)
        token = (await server.get(f"{CONFIG_MAPS}?limit=1")).tree["metadata"]["continue"]
        for index in range(10):
            await server.create(CONFIG_MAPS, config_map(f"x{index}"))
            await server.get(f"{CONFIG_MAPS}?limit=1")
        reply = await server.get(f"{CONFIG_MAPS}?limit=1&continue={token}")
        assert (reply.code, reply.tree["reason"]) == (410, "Expired")

    serve(check)


def test_a_revision_from_the_future_is_too_large() -> None:
    async def check(server: Server) -> None:
        for url in (
            f"{CONFIG_MAPS}?resourceVersion=99",
            f"{CONFIG_MAPS}?resourceVersion=99&resourceVersionMatch=Exact",
        ):
            reply = await server.get(url)
            assert (reply.code, reply.tree["reason"]) == (504, "Timeout")
            assert "Too large resource version: 99, current: " in reply.tree["message"]
            assert reply.header("retry-after") == "1"

    serve(check)


def test_a_match_needs_a_revision() -> None:
    async def check(server: Server) -> None:
        reply = await server.get(f"{CONFIG_MAPS}?resourceVersionMatch=Exact")
        assert reply.code == 422
        assert reply.tree["message"] == (
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is '
            "forbidden unless resourceVersion is provided"
        )

    serve(check)


def test_kinds_that_are_not_run_are_empty() -> None:
    async def check(server: Server) -> None:
        reply = await server.get("/apis/apps/v1/deployments")
        assert (reply.tree["kind"], reply.tree["items"]) == ("DeploymentList", [])
        assert (await server.get("/apis/apps/v1/namespaces/default/deployments/d")).code == 404

    serve(check)


def test_pods_are_shown_in_a_table() -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod())
        server.clock.time += 65  # type: ignore[assignment]
        table = (await server.get(PODS, accept=AS_TABLE)).tree
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [
            ("Name", 0),
            ("Ready", 0),
            ("Status", 0),
            ("Restarts", 0),
            ("Age", 0),
            ("IP", 1),
            ("Node", 1),
            ("Nominated Node", 1),
            ("Readiness Gates", 1),
        ]
        (row,) = table["rows"]
        assert row["cells"] == ["web", "0/1", "Pending", "0", "65s", "<none>", "<none>", "<none>", "<none>"]
        assert row["object"]["kind"] == "PartialObjectMetadata"
        assert row["object"]["metadata"]["name"] == "web"
        assert "conditions" not in row
        whole = (await server.get(f"{PODS}/web?includeObject=Object", accept=AS_TABLE)).tree
        assert whole["rows"][0]["object"]["spec"]["containers"][0]["name"] == "main"
        none = (await server.get(f"{PODS}?includeObject=None", accept=AS_TABLE)).tree
        assert "object" not in none["rows"][0]

    serve(check)


def test_a_finished_pod_has_a_row_condition() -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod())
        done = {"status": {"phase": "Succeeded"}}
        await server.call("PATCH", f"{PODS}/web/status", done, content_type="application/merge-patch+json")
        (row,) = (await server.get(PODS, accept=AS_TABLE)).tree["rows"]
        assert row["conditions"][0]["reason"] == "Succeeded"

    serve(check)


def test_metadata_alone_can_be_asked_for() -> None:
    async def check(server: Server) -> None:
        await server.create(CONFIG_MAPS, config_map(a="b"))
        tree = (await server.get(CONFIG_MAPS, accept=AS_METADATA)).tree
        assert tree["kind"] == "PartialObjectMetadataList"
        assert set(tree["items"][0]) == {"kind", "apiVersion", "metadata"}

    serve(check)


def test_answers_can_be_yaml_or_pretty() -> None:
    async def check(server: Server) -> None:
        await server.create(CONFIG_MAPS, config_map(a="b"))
        reply = await server.get(f"{CONFIG_MAPS}/a", accept="application/yaml")
        assert reply.header("content-type") == "application/yaml"
        assert yaml.safe_load(reply.body)["data"] == {"a": "b"}
        pretty = await server.get(f"{CONFIG_MAPS}/a?pretty=true")
        assert pretty.body.startswith(b"{\n  ")

    serve(check)


def test_yaml_bodies_are_read_without_dates() -> None:
    async def check(server: Server) -> None:
        body = b"metadata: {name: a}\ndata: {at: 2026-01-02}\n"
        reply = await server.call("POST", CONFIG_MAPS, body, content_type="application/yaml")
        assert reply.tree["data"] == {"at": "2026-01-02"}

    serve(check)


def test_media_types_that_are_not_spoken_are_refused() -> None:
    async def check(server: Server) -> None:
        reply = await server.get(CONFIG_MAPS, accept="text/html")
        assert (reply.code, reply.tree["reason"]) == (406, "NotAcceptable")
        reply = await server.call("POST", CONFIG_MAPS, b"{}", content_type="text/html")
        assert (reply.code, reply.tree["reason"]) == (415, "UnsupportedMediaType")
        reply = await server.call("POST", CONFIG_MAPS, b"{", content_type="application/json")
        assert (reply.code, reply.tree["reason"]) == (400, "BadRequest")
        reply = await server.call("POST", CONFIG_MAPS, b" " * (3 * 1024 * 1024 + 1))
        assert (reply.code, reply.tree["reason"]) == (413, "RequestEntityTooLarge")

    serve(check)


def test_a_list_is_made_of_the_stored_objects() -> None:
    async def check(server: Server) -> None:
        created = await server.create(CONFIG_MAPS, config_map(a="b"))
        listed = await server.get("/api/v1/configmaps")
        assert listed.tree["items"] == [created]
        assert msgspec.json.decode(listed.body)["kind"] == "ConfigMapList"

    serve(check)
