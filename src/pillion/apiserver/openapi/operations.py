"""What can be asked of each resource, as OpenAPI 3 paths. kubectl looks here for what the server can do:

whether PATCH knows `fieldValidation` (so that the server validates) and strategic merge patches (so that apply makes
them from these schemas); client-go, discovery's query_param_verifier and kubectl's pkg/cmd/apply/patcher.go.
"""

from __future__ import annotations

from typing import Any

from pillion.apiserver.registry import Resource, Subresource

Tree = dict[str, Any]

_BODIES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_PATCHES = (
    *("application/json-patch+json", "application/merge-patch+json"),
    *("application/strategic-merge-patch+json", "application/apply-patch+yaml"),
)
_STATUS = "io.k8s.apimachinery.pkg.apis.meta.v1.Status"
_DELETE_OPTIONS = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"


def _query(name: str, kind: str, description: str) -> Tree:
    return {
        "name": name,
        "in": "query",
        "description": description,
        "schema": {"type": kind, "uniqueItems": True},
    }


_DRY_RUN = _query(
    "dryRun", "string", "All: answer as if the request had been carried out, and change nothing."
)
_MANAGER = _query("fieldManager", "string", "Who makes this change, for the record of who owns which field.")
_VALIDATION = _query("fieldValidation", "string", "Ignore, Warn or Strict, about unknown fields.")
_FORCE = _query("force", "boolean", "Take fields that others own (server-side apply only).")
_WRITE = [_DRY_RUN, _MANAGER, _VALIDATION]
_DELETE = [
    _DRY_RUN,
    _query("gracePeriodSeconds", "integer", "Seconds until the object is deleted; 0: at once."),
    _query("orphanDependents", "boolean", "Deprecated: use propagationPolicy."),
    _query("propagationPolicy", "string", "Orphan, Background or Foreground: what becomes of dependents."),
]
_LIST = [
    _query("allowWatchBookmarks", "boolean", "Send bookmarks in a watch."),
    _query("continue", "string", "Where the last page of a list ended."),
    _query("fieldSelector", "string", "Only objects whose fields have these values."),
    _query("labelSelector", "string", "Only objects with these labels."),
    _query("limit", "integer", "Objects in one page of a list."),
    _query("resourceVersion", "string", "How recent a list must be, or where a watch begins."),
    _query("resourceVersionMatch", "string", "Exact or NotOlderThan: what resourceVersion means for a list."),
    _query("sendInitialEvents", "boolean", "Begin a watch with what there is."),
    _query("timeoutSeconds", "integer", "Seconds until a watch ends."),
    _query("watch", "boolean", "Go on with the changes."),
]
_PATH = {
    name: {"name": name, "in": "path", "required": True, "schema": {"type": "string", "uniqueItems": True}}
    for name in ("name", "namespace")
}


def build_paths(resource: Resource, schema: str, list_schema: str) -> dict[str, Tree]:
    """The paths of a resource; `schema` and `list_schema` name what goes in and out."""
    prefix = f"/apis/{resource.api_version}" if resource.group else f"/api/{resource.version}"
    inside = "/namespaces/{namespace}" if resource.namespaced else ""
    build = _Operations(resource, schema, list_schema)
    paths = {
        f"{prefix}{inside}/{resource.plural}": build.collection(),
        f"{prefix}{inside}/{resource.plural}/{{name}}": build.item(),
    }
    if resource.namespaced and "list" in resource.verbs:
        paths[f"{prefix}/{resource.plural}"] = {"get": build.list_operation()}
    for subresource in resource.subresources:
        paths[f"{prefix}{inside}/{resource.plural}/{{name}}/{subresource.name}"] = build.sub(subresource)
    for path, item in paths.items():
        item["parameters"] = [known for name, known in _PATH.items() if f"{{{name}}}" in path]
    return {path: item for path, item in paths.items() if len(item) > 1}


class _Operations:
    def __init__(self, resource: Resource, schema: str, list_schema: str) -> None:
        self._resource = resource
        self._schema = schema
        self._list_schema = list_schema

    def collection(self) -> Tree:
        verbs = self._resource.verbs
        operations: Tree = {}
        if "list" in verbs:
            operations["get"] = self.list_operation()
        if "create" in verbs:
            operations["post"] = self._operation("post", _WRITE, self._schema, body=self._schema, code="201")
        if "deletecollection" in verbs:
            parameters = [*_DELETE, *_LIST]
            operations["delete"] = self._operation(
                "deletecollection", parameters, _STATUS, body=_DELETE_OPTIONS
            )
        return operations

    def item(self) -> Tree:
        verbs = self._resource.verbs
        operations: Tree = {}
        if "get" in verbs:
            operations["get"] = self._operation("get", [], self._schema)
        if "update" in verbs:
            operations["put"] = self._operation("put", _WRITE, self._schema, body=self._schema)
        # Also of what pillion does not run: kubectl must see that it may ask, to be told so by the server.
        if "get" in verbs:
            operations["patch"] = self._patch()
        if "delete" in verbs:
            operations["delete"] = self._operation("delete", _DELETE, _STATUS, body=_DELETE_OPTIONS)
        return operations

    def sub(self, subresource: Subresource) -> Tree:
        operations: Tree = {}
        own = subresource.kind == self._resource.kind
        answer = self._schema if own and subresource.name != "log" else ""
        for verb in subresource.verbs:
            match verb:
                case "get":
                    operations["get"] = self._operation(verb, [], answer)
                case "create":
                    operations["post"] = self._operation("post", [], answer, code="201")
                case "update":
                    operations["put"] = self._operation("put", _WRITE, answer, body=answer)
                case "patch" if own:
                    operations["patch"] = self._patch()
                case _:
                    pass
        return operations

    def list_operation(self) -> Tree:
        return self._operation("list", _LIST, self._list_schema)

    def _patch(self) -> Tree:
        patch = self._operation("patch", [*_WRITE, _FORCE], self._schema)
        body = {"schema": {"type": "object"}}
        patch["requestBody"] = {"required": True, "content": dict.fromkeys(_PATCHES, body)}
        return patch

    def _operation(
        self, action: str, parameters: list[Tree], answer: str, *, body: str = "", code: str = "200"
    ) -> Tree:
        operation: Tree = {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": self._kind()}
        if parameters:
            operation["parameters"] = parameters
        if body:
            operation["requestBody"] = {"content": dict.fromkeys(_BODIES, _content(body))}
        content = {"application/json": _content(answer)} if answer else {"*/*": {}}
        operation["responses"] = {code: {"description": "OK", "content": content}}
        return operation

    def _kind(self) -> Tree:
        return {"group": self._resource.group, "version": self._resource.version, "kind": self._resource.kind}


def _content(schema: str) -> Tree:
    return {"schema": {"$ref": f"#/components/schemas/{schema}"}}
