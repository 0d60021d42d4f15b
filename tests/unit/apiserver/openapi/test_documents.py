"""The OpenAPI documents, as clients look into them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from pillion.apiserver.catalogue import build_registry
from pillion.apiserver.openapi import OpenApi
from pillion.apiserver.openapi.docstrings import read_docstring
from pillion.apiserver.protobuf.wire import read_fields
from pillion.apiserver.registry import Resource

PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
REGISTRY = build_registry()
OPENAPI = OpenApi(REGISTRY, version="v1.36.0")
GROUP_VERSIONS = [(group, version) for group in REGISTRY.groups() for version in REGISTRY.versions(group)]


@cache
def read(path: str) -> dict[str, Any]:
    document = OPENAPI.find(path)
    assert document is not None
    assert document.content_type == "application/json"
    return msgspec.json.decode(document.body(), type=dict[str, Any])


def address(group: str, version: str) -> str:
    return f"/openapi/v3/apis/{group}/{version}" if group else f"/openapi/v3/api/{version}"


def references(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if isinstance(tree.get("$ref"), str):
            yield tree["$ref"]
        for value in tree.values():
            yield from references(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from references(value)


def core(kind: str) -> dict[str, Any]:
    schemas: dict[str, dict[str, Any]] = read("/openapi/v3/api/v1")["components"]["schemas"]
    return schemas[f"io.k8s.api.core.v1.{kind}"]


@pytest.mark.parametrize(("group", "version"), GROUP_VERSIONS)
def test_a_document_holds_everything_it_refers_to_and_nothing_else(group: str, version: str) -> None:
    document = read(address(group, version))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known


def test_the_document_of_version_2_holds_everything_it_refers_to() -> None:
    document = read("/openapi/v2")
    assert set(references(document)) <= {f"#/definitions/{name}" for name in document["definitions"]}


@pytest.mark.parametrize("resource", [r for r in REGISTRY if "get" in r.verbs], ids=lambda r: r.qualified)
def test_kubectl_finds_that_patches_of_each_kind_are_validated_and_merged_by_the_server(
    resource: Resource,
) -> None:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    patches = [
        item["patch"]
        for item in read(address(resource.group, resource.version))["paths"].values()
        if item.get("patch", {}).get("x-kubernetes-group-version-kind") == kind
    ]
    assert patches
    for patch in patches:
        assert "fieldValidation" in {parameter["name"] for parameter in patch["parameters"]}
        assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


@pytest.mark.parametrize("resource", list(REGISTRY), ids=lambda r: f"{r.qualified}-{r.version}")
def test_each_kind_has_one_schema_that_says_so(resource: Resource) -> None:
    kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    schemas = read(address(resource.group, resource.version))["components"]["schemas"]
    found = [
        name for name, schema in schemas.items() if kind in schema.get("x-kubernetes-group-version-kind", [])
    ]
    assert len(found) == 1
    assert found[0].endswith(f".{resource.version}.{resource.kind}")


def test_the_index_leads_to_every_document() -> None:
    paths = read("/openapi/v3")["paths"]
    assert len(paths) == len(GROUP_VERSIONS)
    for name, entry in paths.items():
        path, _, digest = entry["serverRelativeURL"].partition("?hash=")
        assert path == f"/openapi/v3/{name}"
        assert len(digest) == 64
        assert OPENAPI.find(path) is not None


@pytest.mark.parametrize(
    "path", ["/openapi", "/openapi/v1", "/openapi/v3/api/v2", "/openapi/v3/apis/none.k8s.io/v1"]
)
def test_there_is_nothing_else(path: str) -> None:
    assert OPENAPI.find(path) is None


def test_a_property_says_what_it_is_and_how_it_merges() -> None:
    properties = core("Container")["properties"]
    assert {key: value for key, value in properties["ports"].items() if key != "description"} == {
        "type": "array",
        "items": {"$ref": "#/components/schemas/io.k8s.api.core.v1.ContainerPort"},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
        "x-kubernetes-patch-merge-key": "containerPort",
        "x-kubernetes-patch-strategy": "merge",
    }
    assert properties["ports"]["description"].startswith(
        "List of ports to expose from the container. Not specifying"
    )
    assert properties["args"]["x-kubernetes-list-type"] == "atomic"
    assert properties["resources"]["allOf"] == [
        {"$ref": "#/components/schemas/io.k8s.api.core.v1.ResourceRequirements"}
    ]
    assert core("Container")["required"] == ["name"]
    assert core("ContainerPort")["properties"]["protocol"]["default"] == "TCP"
    assert core("PodSpec")["properties"]["nodeSelector"]["x-kubernetes-map-type"] == "atomic"
    assert core("ConfigMapKeySelector")["x-kubernetes-map-type"] == "atomic"
    limits = core("ResourceRequirements")["properties"]["limits"]["additionalProperties"]
    assert limits == {"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"}
    assert core("Secret")["properties"]["data"]["additionalProperties"] == {
        "type": "string",
        "format": "byte",
    }


def test_paths_tell_their_parameters() -> None:
    paths = read("/openapi/v3/api/v1")["paths"]
    pod = paths["/api/v1/namespaces/{namespace}/pods/{name}"]
    assert {method for method in pod if method != "parameters"} == {"get", "put", "patch", "delete"}
    assert [parameter["name"] for parameter in pod["parameters"]] == ["name", "namespace"]
    assert set(paths["/api/v1/pods"]) == {"get", "parameters"}
    assert set(paths["/api/v1/nodes/{name}"]) == {"get", "put", "patch", "delete", "parameters"}
    assert "patch" in paths["/api/v1/namespaces/{namespace}/pods/{name}/ephemeralcontainers"]


def test_a_document_is_made_once_and_has_an_etag_of_its_own() -> None:
    first, again = (OPENAPI.find("/openapi/v2") for _ in range(2))
    assert first is again is not None
    other = OPENAPI.find("/openapi/v2", PROTOBUF)
    assert other is not None
    assert other.etag != first.etag
    assert first.etag[0] == first.etag[-1] == '"'


def runs(data: memoryview, number: int) -> list[memoryview]:
    return [raw for found, raw in read_fields(data) if found == number and isinstance(raw, memoryview)]


def named(data: memoryview, number: int) -> dict[str, memoryview]:
    return {str(runs(raw, 1)[0], "utf-8"): runs(raw, 2)[0] for raw in runs(data, number)}


def test_the_protobuf_of_version_2_says_what_its_json_says() -> None:
    """Numbers as in gnostic's OpenAPIv2.proto; kubectl 1.28 was seen to read it."""
    document = OPENAPI.find("/openapi/v2", f"{PROTOBUF},application/json")
    assert document is not None
    assert document.content_type == PROTOBUF.replace("@", ".")
    whole = memoryview(document.body())
    json = read("/openapi/v2")
    assert bytes(runs(whole, 1)[0]) == b"2.0"
    assert named(runs(whole, 8)[0], 2).keys() == json["paths"].keys()
    definitions = named(runs(whole, 9)[0], 1)
    assert definitions.keys() == json["definitions"].keys()
    for name, schema in definitions.items():
        expected = json["definitions"][name]
        assert [str(raw, "utf-8") for raw in runs(schema, 4)] == (
            [expected["description"]] if expected["description"] else []
        )
        assert [str(raw, "utf-8") for raw in runs(schema, 19)] == expected.get("required", [])
        if "properties" in expected:
            properties = named(runs(schema, 25)[0], 1)
            assert properties.keys() == expected["properties"].keys()
            for field, wanted in expected["properties"].items():
                assert [str(raw, "utf-8") for raw in runs(properties[field], 1)] == (
                    [wanted["$ref"]] if "$ref" in wanted else []
                )
                extensions = named(properties[field], 31)
                assert {key: msgspec.json.decode(runs(value, 2)[0]) for key, value in extensions.items()} == {
                    key: value for key, value in wanted.items() if key.startswith("x-")
                }


DOCSTRINGS = [
    (None, "", {}),
    ("One line.", "One line.", {}),
    (
        (
            "A\n   b.\n\n   C.\n\n  **parameters**\n\n"
            "  * **n** ``str`` - N is\n    long.\n  * **m** ``Optional[int]`` - \n"
        ),
        "A b.\n\nC.",
        {"n": "N is long.", "m": ""},
    ),
    (
        "\n  **parameters**\n\n  * **n** ``str`` - Has a list:\n    * of - things\n",
        "",
        {"n": "Has a list: * of - things"},
    ),
]


@pytest.mark.parametrize(("text", "head", "fields"), DOCSTRINGS)
def test_a_docstring_is_read_as_running_text(text: str | None, head: str, fields: dict[str, str]) -> None:
    said = read_docstring(text)
    assert (said.type, said.fields) == (head, fields)
