"""Create, update, delete: what is stored, and what is said when nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.apiserver.server import CONFIG_MAPS, NAMESPACES, PODS, Server, config_map, pod, serve

MERGE = "application/merge-patch+json"


def test_a_new_object_gets_an_identity() -> None:
    async def check(server: Server) -> None:
        created = await server.create(CONFIG_MAPS, config_map(a="b"))
        metadata = created["metadata"]
        assert metadata["namespace"] == "default"
        assert metadata["creationTimestamp"] == "2026-01-02T02:50:45Z"
        assert len(metadata["uid"]) == 36
        assert metadata["resourceVersion"] == str(server.store.revision)
        assert (await server.get(f"{CONFIG_MAPS}/a")).tree == created

    serve(check)


def test_a_generated_name_is_the_prefix_and_five_characters() -> None:
    async def check(server: Server) -> None:
        tree = config_map()
        tree["metadata"] = {"generateName": "job-"}
        names = {(await server.create(CONFIG_MAPS, tree))["metadata"]["name"] for _ in range(3)}
        assert len(names) == 3
        assert all(name.startswith("job-") and len(name) == 9 for name in names)

    serve(check)


def test_a_new_pod_is_pending_and_of_generation_one() -> None:
    async def check(server: Server) -> None:
        created = await server.create(PODS, pod() | {"status": {"phase": "Running"}})
        assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}
        assert created["metadata"]["generation"] == 1

    serve(check)


REFUSED_CREATES: list[tuple[str, str, Any, int, str, str]] = [
    (
        "invalid",
        PODS,
        pod(containers=[]),
        422,
        "Invalid",
        'Pod "web" is invalid: spec.containers: Required value',
    ),
    (
        "wrong type",
        PODS,
        pod(containers=[{"name": "main", "image": 1}]),
        400,
        "BadRequest",
        (
            'Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field '
            "Container.spec.containers.image of type string"
        ),
    ),
    (
        "other namespace",
        PODS,
        pod() | {"metadata": {"name": "web", "namespace": "other"}},
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    ),
    (
        "other version",
        PODS,
        pod() | {"apiVersion": "v2"},
        400,
        "BadRequest",
        "the API version in the data (v2) does not match the expected API version (v1)",
    ),
    (
        "unknown field, strictly",
        f"{PODS}?fieldValidation=Strict",
        pod(foo=1),
        400,
        "BadRequest",
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.foo"',
    ),
    (
        "a kind that is not run",
        "/apis/apps/v1/namespaces/default/deployments",
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}},
        405,
        "MethodNotAllowed",
        "pillion does not run Deployments yet",
    ),
    (
        "a revision of its own",
        CONFIG_MAPS,
        config_map() | {"metadata": {"name": "a", "resourceVersion": "7"}},
        500,
        "",
        "resourceVersion should not be set on objects to be created",
    ),
    (
        "no path",
        "/api/v1/namespaces/default/nothings",
        {},
        404,
        "NotFound",
        "the server could not find the requested resource",
    ),
    (
        "a dry run of something else",
        f"{CONFIG_MAPS}?dryRun=Some",
        config_map(),
        422,
        "Invalid",
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "Some": supported values: "All"',
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "tree", "code", "reason", "message"),
    [pytest.param(*row[1:], id=row[0]) for row in REFUSED_CREATES],
)
def test_a_refused_create_says_why(url: str, tree: Any, code: int, reason: str, message: str) -> None:
    async def check(server: Server) -> None:
        before = server.store.revision
        reply = await server.call("POST", url, tree)
        assert (reply.code, reply.tree.get("reason", ""), reply.tree["message"]) == (code, reason, message)
        assert reply.tree["status"] == "Failure"
        assert server.store.revision == before

    serve(check)


def test_a_second_object_of_a_name_is_refused() -> None:
    async def check(server: Server) -> None:
        await server.create(CONFIG_MAPS, config_map())
        reply = await server.call("POST", CONFIG_MAPS, config_map())
        assert (reply.code, reply.tree["reason"]) == (409, "AlreadyExists")
        assert reply.tree["message"] == 'configmaps "a" already exists'
        assert reply.tree["details"] == {"name": "a", "kind": "configmaps"}

    serve(check)


def test_unknown_and_repeated_fields_are_warned_of() -> None:
    async def check(server: Server) -> None:
        body = b'{"metadata":{"name":"a"},"data":{"k":"1","k":"2"},"foo":1}'
        reply = await server.call("POST", CONFIG_MAPS, body)
        assert reply.code == 201
        assert reply.warnings == ['299 - "duplicate field \\"data.k\\""', '299 - "unknown field \\"foo\\""']

    serve(check)


def test_a_dry_run_says_what_would_be_and_stores_nothing() -> None:
    async def check(server: Server) -> None:
        before = server.store.revision
        reply = await server.call("POST", f"{CONFIG_MAPS}?dryRun=All", config_map(a="b"))
        assert reply.code == 201
        assert reply.tree["data"] == {"a": "b"}
        assert server.store.revision == before
        assert server.admission.seen[0].dry_run
        await server.create(CONFIG_MAPS, config_map())
        assert (await server.call("POST", f"{CONFIG_MAPS}?dryRun=All", config_map())).code == 409
        assert (await server.call("DELETE", f"{CONFIG_MAPS}/a?dryRun=All")).code == 200
        assert (await server.get(f"{CONFIG_MAPS}/a")).code == 200

    serve(check)


def test_an_update_of_an_old_state_is_a_conflict() -> None:
    async def check(server: Server) -> None:
        created = await server.create(CONFIG_MAPS, config_map(a="1"))
        first = await server.call("PUT", f"{CONFIG_MAPS}/a", created | {"data": {"a": "2"}})
        assert first.code == 200
        second = await server.call("PUT", f"{CONFIG_MAPS}/a", created | {"data": {"a": "3"}})
        assert second.code == 409
        assert second.tree["message"] == (
            'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
            "please apply your changes to the latest version and try again"
        )
        assert (await server.get(f"{CONFIG_MAPS}/a")).tree["data"] == {"a": "2"}

    serve(check)


def test_an_update_keeps_what_is_not_the_clients() -> None:
    async def check(server: Server) -> None:
        created = await server.create(CONFIG_MAPS, config_map(a="1"))
        reply = await server.call("PUT", f"{CONFIG_MAPS}/a", config_map(a="2"))
        for field in ("uid", "creationTimestamp", "namespace"):
            assert reply.tree["metadata"][field] == created["metadata"][field]

    serve(check)


def test_an_update_that_changes_nothing_is_no_write() -> None:
    async def check(server: Server) -> None:
        created = await server.create(CONFIG_MAPS, config_map(a="1"))
        server.clock.time += 60  # type: ignore[assignment]
        reply = await server.call("PUT", f"{CONFIG_MAPS}/a", config_map(a="1"))
        assert reply.tree["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
        assert str(server.store.revision) == created["metadata"]["resourceVersion"]

    serve(check)


def test_an_update_of_nothing_is_not_found_but_a_lease_is_made() -> None:
    async def check(server: Server) -> None:
        reply = await server.call("PUT", f"{CONFIG_MAPS}/a", config_map())
        assert (reply.code, reply.tree["message"]) == (404, 'configmaps "a" not found')
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "l"},
            "spec": {},
        }
        url = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l"
        assert (await server.call("PUT", url, lease)).code == 201
        assert (await server.call("PUT", url, lease)).code == 200

    serve(check)


def test_spec_and_status_are_written_apart() -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod())
        body = {"status": {"phase": "Running"}, "spec": {"activeDeadlineSeconds": 9}}
        by_status = await server.call("PATCH", f"{PODS}/web/status", body, content_type=MERGE)
        assert by_status.tree["status"]["phase"] == "Running"
        assert "activeDeadlineSeconds" not in by_status.tree["spec"]
        assert by_status.tree["metadata"]["generation"] == 1
        body["status"]["phase"] = "Failed"
        by_spec = await server.call("PATCH", f"{PODS}/web", body, content_type=MERGE)
        assert by_spec.tree["status"]["phase"] == "Running"
        assert by_spec.tree["spec"]["activeDeadlineSeconds"] == 9
        assert by_spec.tree["metadata"]["generation"] == 2

    serve(check)


def test_ephemeral_containers_are_added_by_their_own_way_in() -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod())
        added = {"spec": {"ephemeralContainers": [{"name": "debug", "image": "tools:1"}]}}
        reply = await server.call("PATCH", f"{PODS}/web/ephemeralcontainers", added, content_type=MERGE)
        assert reply.code == 200, reply.body
        assert [c["name"] for c in reply.tree["spec"]["ephemeralContainers"]] == ["debug"]
        assert [c["name"] for c in reply.tree["spec"]["containers"]] == ["main"]
        refused = await server.call("PATCH", f"{PODS}/web/resize", {}, content_type=MERGE)
        assert (refused.code, refused.tree["reason"]) == (405, "MethodNotAllowed")

    serve(check)


# Grace: (what the pod is, what is asked, the seconds it gets; None: it is gone at once)
GRACES: list[tuple[str, dict[str, Any], dict[str, Any], int | None]] = [
    ("assigned", {"nodeName": "n"}, {}, 30),
    ("assigned, own grace", {"nodeName": "n", "terminationGracePeriodSeconds": 5}, {}, 5),
    ("assigned, asked for", {"nodeName": "n"}, {"gracePeriodSeconds": 7}, 7),
    ("assigned, negative", {"nodeName": "n"}, {"gracePeriodSeconds": -3}, 1),
    ("assigned, forced", {"nodeName": "n"}, {"gracePeriodSeconds": 0}, None),
    ("unassigned", {}, {"gracePeriodSeconds": 7}, None),
]


@pytest.mark.parametrize(("spec", "options", "seconds"), [pytest.param(*r[1:], id=r[0]) for r in GRACES])
def test_a_pod_is_deleted_gracefully(
    spec: dict[str, Any], options: dict[str, Any], seconds: int | None
) -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod(**spec))
        reply = await server.call("DELETE", f"{PODS}/web", options)
        assert (reply.code, reply.tree["kind"]) == (200, "Pod")
        found = await server.get(f"{PODS}/web")
        if seconds is None:
            assert found.code == 404
        else:
            assert found.tree["metadata"]["deletionGracePeriodSeconds"] == seconds
            assert found.tree["metadata"]["generation"] == 2

    serve(check)


def test_grace_is_only_ever_shortened() -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod(nodeName="n"))
        for asked, expected, deadline in (
            (20, 20, "2026-01-02T02:51:05Z"),
            (25, 20, "2026-01-02T02:51:05Z"),
            (5, 5, "2026-01-02T02:50:50Z"),
        ):
            reply = await server.call("DELETE", f"{PODS}/web", {"gracePeriodSeconds": asked})
            assert reply.tree["metadata"]["deletionGracePeriodSeconds"] == expected
            assert reply.tree["metadata"]["deletionTimestamp"] == deadline
        await server.call("DELETE", f"{PODS}/web", {"gracePeriodSeconds": 0})
        assert (await server.get(f"{PODS}/web")).code == 404

    serve(check)


def test_a_finalizer_keeps_an_object_until_it_is_taken_away() -> None:
    async def check(server: Server) -> None:
        tree = config_map()
        tree["metadata"]["finalizers"] = ["example.com/wait"]
        await server.create(CONFIG_MAPS, tree)
        reply = await server.call("DELETE", f"{CONFIG_MAPS}/a")
        assert (reply.code, reply.tree["kind"]) == (200, "ConfigMap")
        assert reply.tree["metadata"]["deletionTimestamp"] == "2026-01-02T02:50:45Z"
        none = {"metadata": {"finalizers": None}}
        assert (await server.call("PATCH", f"{CONFIG_MAPS}/a", none, content_type=MERGE)).code == 200
        assert (await server.get(f"{CONFIG_MAPS}/a")).code == 404

    serve(check)


def test_foreground_and_orphan_deletion_wait_for_the_garbage_collector() -> None:
    async def check(server: Server) -> None:
        for policy, finalizer in (("Foreground", "foregroundDeletion"), ("Orphan", "orphan")):
            await server.create(CONFIG_MAPS, config_map(policy.lower()))
            url = f"{CONFIG_MAPS}/{policy.lower()}"
            reply = await server.call("DELETE", url, {"propagationPolicy": policy})
            assert reply.tree["metadata"]["finalizers"] == [finalizer]
        await server.create(CONFIG_MAPS, config_map("c"))
        await server.call("DELETE", f"{CONFIG_MAPS}/c", {"propagationPolicy": "Background"})
        assert (await server.get(f"{CONFIG_MAPS}/c")).code == 404

    serve(check)


def test_a_deletion_of_another_object_than_meant_is_a_conflict() -> None:
    async def check(server: Server) -> None:
        created = await server.create(CONFIG_MAPS, config_map())
        reply = await server.call("DELETE", f"{CONFIG_MAPS}/a", {"preconditions": {"uid": "x"}})
        assert reply.code == 409
        assert "Precondition failed: UID in precondition: x, UID in object meta: " in reply.tree["message"]
        mine = {"preconditions": {"uid": created["metadata"]["uid"]}}
        reply = await server.call("DELETE", f"{CONFIG_MAPS}/a", mine)
        assert reply.tree == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": created["metadata"]["uid"]},
        }
        assert (await server.call("DELETE", f"{CONFIG_MAPS}/a")).code == 404

    serve(check)


def test_a_namespace_goes_when_its_finalizer_does() -> None:
    async def check(server: Server) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
        created = await server.create(NAMESPACES, namespace)
        assert created["spec"] == {"finalizers": ["kubernetes"]}
        assert created["metadata"]["labels"] == {"kubernetes.io/metadata.name": "demo"}
        deleted = await server.call("DELETE", f"{NAMESPACES}/demo")
        assert deleted.tree["status"] == {"phase": "Terminating"}
        assert (await server.call("DELETE", f"{NAMESPACES}/demo")).code == 409
        reply = await server.call("PUT", f"{NAMESPACES}/demo/finalize", deleted.tree | {"spec": {}})
        assert reply.code == 200
        assert (await server.get(f"{NAMESPACES}/demo")).code == 404

    serve(check)


def test_a_selection_is_deleted_together() -> None:
    async def check(server: Server) -> None:
        for name in ("a", "b", "c"):
            tree = config_map(name)
            tree["metadata"]["labels"] = {"kept": "yes" if name == "c" else "no"}
            await server.create(CONFIG_MAPS, tree)
        reply = await server.call("DELETE", f"{CONFIG_MAPS}?labelSelector=kept!=yes")
        assert [item["metadata"]["name"] for item in reply.tree["items"]] == ["a", "b"]
        left = await server.get(CONFIG_MAPS)
        assert [item["metadata"]["name"] for item in left.tree["items"]] == ["c"]

    serve(check)


def test_a_pod_is_bound_once_and_evicted() -> None:
    async def check(server: Server) -> None:
        await server.create(PODS, pod())
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": "web"},
            "target": {"name": "n"},
        }
        assert (await server.call("POST", f"{PODS}/web/binding", binding)).code == 201
        bound = (await server.get(f"{PODS}/web")).tree
        assert bound["spec"]["nodeName"] == "n"
        assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
        again = await server.call("POST", f"{PODS}/web/binding", binding)
        assert again.code == 409
        assert 'pod web is already assigned to node "n"' in again.tree["message"]
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web"}}
        assert (await server.call("POST", f"{PODS}/web/eviction", eviction)).tree["status"] == "Success"
        assert "deletionTimestamp" in (await server.get(f"{PODS}/web")).tree["metadata"]

    serve(check)


def test_an_event_is_the_same_in_both_groups() -> None:
    async def check(server: Server) -> None:
        event = {
            "metadata": {"name": "e"},
            "involvedObject": {"kind": "Pod", "name": "web", "namespace": "default"},
            "message": "hello",
            "reason": "Started",
        }
        await server.create("/api/v1/namespaces/default/events", event)
        other = (await server.get("/apis/events.k8s.io/v1/namespaces/default/events/e")).tree
        assert (other["apiVersion"], other["note"]) == ("events.k8s.io/v1", "hello")
        assert other["regarding"]["name"] == "web"
        found = await server.get(
            "/api/v1/namespaces/default/events?fieldSelector=involvedObject.name=web,reason!=Killing"
        )
        assert len(found.tree["items"]) == 1

    serve(check)


def test_of_what_is_not_run_there_is_nothing_to_delete() -> None:
    async def check(server: Server) -> None:
        url = "/apis/apps/v1/namespaces/default/deployments"
        gone = await server.call("DELETE", f"{url}/web")
        assert (gone.code, gone.tree["message"]) == (404, 'deployments.apps "web" not found')
        everything = await server.call("DELETE", url)
        assert (everything.code, everything.tree["kind"], everything.tree["items"]) == (
            200,
            "DeploymentList",
            [],
        )

    serve(check)
