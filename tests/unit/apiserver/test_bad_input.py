# ruff: noqa: RUF005 - long lists in rows
"""Whatever a client sends, it is answered with Kubernetes' kind of error, and the server's own fault it never is."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.apiserver.server import Server, serve

from pillion.apiserver import selectors
from pillion.apiserver.statuses import ApiError

_NAMES = st.sampled_from(
    ["apiVersion", "kind", "metadata", "spec", "status", "name", "namespace", "labels", "finalizers", "data"]
    + ["target", "deleteOptions", "preconditions", "ports", "containers", "token", "user", "ownerReferences"]
    + ["resourceAttributes", "nonResourceAttributes", "annotations", "generateName", "resourceVersion", "uid"]
    + ["managedFields", "dryRun", "gracePeriodSeconds", "involvedObject", "handler", "stringData", "type"]
)
_LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "v1", "Pod", "-"])
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=12,
)
_OBJECTS = st.dictionaries(_NAMES, _TREES, max_size=8)
_PLACES = st.sampled_from(
    [
        *(f"/api/v1/namespaces/default/{plural}" for plural in ("pods", "configmaps", "secrets", "services")),
        *(f"/api/v1/namespaces/default/{plural}" for plural in ("events", "serviceaccounts", "bindings")),
        *(f"/api/v1/namespaces/default/pods/a{sub}" for sub in ("", "/status", "/binding", "/eviction")),
        "/api/v1/namespaces/default/pods/a/ephemeralcontainers",
        "/api/v1/namespaces/default/configmaps/a",
        "/api/v1/namespaces",
        "/api/v1/namespaces/default/finalize",
        "/api/v1/nodes/n/status",
        "/apis/apps/v1/namespaces/default/deployments",
        "/apis/events.k8s.io/v1/namespaces/default/events",
        "/apis/coordination.k8s.io/v1/namespaces/default/leases/a",
        "/apis/node.k8s.io/v1/runtimeclasses",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "/apis/authentication.k8s.io/v1/tokenreviews",
    ]
)
_QUERIES = st.sampled_from(
    [
        "",
        "dryRun=All",
        "dryRun=x",
        "fieldValidation=Strict",
        "fieldValidation=x",
        "limit=-1",
        "limit=1&continue=x",
    ]
    + ["labelSelector=a in (", "fieldSelector==", "resourceVersion=0", "resourceVersion=-1", "pretty=true"]
    + ["force=true&fieldManager=x", "gracePeriodSeconds=x", "propagationPolicy=x", "includeObject=x"]
)
_TYPES = st.sampled_from(
    ["application/json"] * 6
    + ["application/yaml", "application/merge-patch+json", "application/json-patch+json"]
    + ["application/strategic-merge-patch+json", "application/apply-patch+yaml", "text/plain"]
    + ["application/vnd.kubernetes.protobuf"]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["POST", "POST", "PUT", "PATCH", "DELETE", "GET"]),
            _PLACES,
            _QUERIES,
            _TYPES,
            _OBJECTS,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_no_request_is_the_servers_fault(requests: list[tuple[str, str, str, str, Any]]) -> None:
    async def check(server: Server) -> None:
        pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "a"}]}}
        await server.create("/api/v1/namespaces/default/pods", pod)
        await server.create("/api/v1/nodes", {"metadata": {"name": "n"}})
        for method, place, query, content_type, body in requests:
            reply = await server.call(method, f"{place}?{query}", body, content_type=content_type)
            tree = reply.tree if not reply.header("content-type").endswith("yaml") else {}
            is_fault = reply.code >= 500 and tree.get("reason") == "InternalError"
            assert not is_fault, reply.body

    serve(check)


@given(st.text(alphabet="ab=!<>(), inotx1-./\x00é", max_size=20))
def test_a_selector_is_read_or_refused(text: str) -> None:
    for parse in (
        lambda: selectors.parse_labels(text),
        lambda: selectors.parse_fields(text, {"a": ""}, "pods"),
    ):
        try:
            parse()
        except ApiError as error:
            code = error.code
        else:
            code = 400
        assert code == 400
