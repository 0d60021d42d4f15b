"""Everything that is no object: discovery, version, health, who may, reviews, metrics."""

from __future__ import annotations

import pytest
from tests.unit.apiserver.server import CONFIG_MAPS, PODS, Server, pod, serve

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


def test_nobody_unknown_gets_anything_but_health() -> None:
    async def check(server: Server) -> None:
        for url in ("/api", "/version", CONFIG_MAPS, "/metrics", "/nothing"):
            reply = await server.get(url, authorization="")
            assert (reply.code, reply.tree["reason"]) == (401, "Unauthorized"), url
        assert (await server.get("/healthz", authorization="")).body == b"ok"

    serve(check)


def test_who_may_not_is_told_what() -> None:
    async def check(server: Server) -> None:
        reply = await server.get(CONFIG_MAPS, authorization="Bearer guest")
        assert (reply.code, reply.tree["reason"]) == (403, "Forbidden")
        assert reply.tree["message"] == (
            'configmaps is forbidden: User "guest" cannot list resource "configmaps" in API group "" '
            'in the namespace "default"'
        )
        assert (await server.get(f"{CONFIG_MAPS}/a", authorization="Bearer guest")).code == 404

    serve(check)


def test_discovery_names_every_resource_in_both_ways() -> None:
    async def check(server: Server) -> None:
        groups = (await server.get("/apis")).tree["groups"]
        assert {"apps", "batch", "events.k8s.io", "metrics.k8s.io"} <= {group["name"] for group in groups}
        listed: set[str] = set()
        for group in groups:
            for version in group["versions"]:
                tree = (await server.get(f"/apis/{version['groupVersion']}")).tree
                listed |= {f"{version['groupVersion']}/{resource['name']}" for resource in tree["resources"]}
        core = (await server.get("/api/v1")).tree
        by_name = {resource["name"]: resource for resource in core["resources"]}
        assert by_name["pods"]["shortNames"] == ["po"]
        assert by_name["pods/eviction"]["group"] == "policy"
        aggregated: set[str] = set()
        for item in (await server.get("/apis", accept=AGGREGATED)).tree["items"]:
            for version in item["versions"]:
                for resource in version["resources"]:
                    start = f"{item['metadata']['name']}/{version['version']}/{resource['resource']}"
                    aggregated |= {start} | {
                        f"{start}/{sub['subresource']}" for sub in resource.get("subresources", ())
                    }
        assert aggregated == listed

    serve(check)


def test_discovery_is_sent_once_to_who_keeps_it() -> None:
    async def check(server: Server) -> None:
        first = await server.get("/apis", accept=AGGREGATED)
        assert first.header("content-type").endswith("as=APIGroupDiscoveryList")
        again = await server.get("/apis", accept=AGGREGATED, if_none_match=first.header("etag"))
        assert (again.code, again.body) == (304, b"")

    serve(check)


def test_versions_and_paths() -> None:
    async def check(server: Server) -> None:
        assert (await server.get("/version")).tree["gitVersion"].startswith("v1.36.")
        assert "/apis/apps/v1" in (await server.get("/")).tree["paths"]
        for url in ("/apis/nothing", "/apis/apps/v9", "/api/v2", "/api/v1/namespaces/default/nothing"):
            reply = await server.get(url)
            assert (reply.code, reply.tree["reason"]) == (404, "NotFound"), url

    serve(check)


def test_a_verb_that_a_resource_does_not_have_is_refused() -> None:
    async def check(server: Server) -> None:
        reply = await server.call("DELETE", "/api/v1/namespaces")
        assert (reply.code, reply.tree["reason"]) == (405, "MethodNotAllowed")
        reply = await server.call("PUT", CONFIG_MAPS, {})
        assert reply.code == 405
        reply = await server.call("TRACE", CONFIG_MAPS)
        assert reply.code == 405

    serve(check)


def test_one_may_ask_what_one_may() -> None:
    async def check(server: Server) -> None:
        url = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        question = {"spec": {"resourceAttributes": {"verb": "create", "resource": "pods"}}}
        assert (await server.call("POST", url, question)).tree["status"] == {"allowed": True}
        about = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        guest = {"spec": {**question["spec"], "user": "guest"}}
        assert (await server.call("POST", about, guest)).tree["status"] == {"allowed": False}
        who = await server.call("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {})
        assert who.tree["status"]["userInfo"] == {"username": "admin", "groups": ["system:masters"]}
        token = {"spec": {"token": "guest"}}
        known = await server.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", token)
        assert known.tree["status"] == {"authenticated": True, "user": {"username": "guest"}}

    serve(check)


def test_metrics_come_from_the_nodes_summary() -> None:
    async def check(server: Server) -> None:
        created = await server.create(PODS, pod())
        usage = {"cpu": {"usageNanoCores": 1500}, "memory": {"workingSetBytes": 4096}}
        server.node.summary = {
            "node": {"nodeName": "n", **usage},
            "pods": [
                {
                    "podRef": {"name": "web", "namespace": "default", "uid": created["metadata"]["uid"]},
                    "containers": [{"name": "main", **usage}],
                }
            ],
        }
        (pods,) = (await server.get("/apis/metrics.k8s.io/v1beta1/pods")).tree["items"]
        assert pods["containers"] == [{"name": "main", "usage": {"cpu": "1500n", "memory": "4Ki"}}]
        node = (await server.get("/apis/metrics.k8s.io/v1beta1/nodes/n")).tree
        assert node["usage"] == {"cpu": "1500n", "memory": "4Ki"}
        missing = await server.get("/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/none")
        assert missing.tree["message"] == 'pods.metrics.k8s.io "none" not found'

    serve(check)


@pytest.mark.parametrize("name", ["healthz", "livez", "readyz"])
def test_health_is_told_at_length_to_whom_asks_so(name: str) -> None:
    async def check(server: Server) -> None:
        assert (await server.get(f"/{name}?verbose", authorization="")).body.decode() == (
            f"[+]ping ok\n{name} check passed\n"
        )
        assert (await server.get(f"/{name}/ping")).body == b"ok"
        assert (await server.get(f"/{name}/nope")).code == 404

    serve(check)
