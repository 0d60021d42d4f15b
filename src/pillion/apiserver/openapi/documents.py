"""The documents clients ask for: one for all in OpenAPI 2, an index and one per group and version in OpenAPI 3."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from typing import Any

import msgspec

from pillion.apiserver.openapi import swagger
from pillion.apiserver.openapi.gnostic import encode_document
from pillion.apiserver.openapi.operations import build_paths
from pillion.apiserver.openapi.schemas import Dialect, build_schemas, schema_name
from pillion.apiserver.registry import Registry, Resource
from pillion.objects import DictMixin, load_models, meta_v1

Tree = dict[str, Any]

JSON = "application/json"
V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V2_PROTOBUF_AS_ASKED = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""What clients ask for; no media type has an @, so it is answered as the other (kube-openapi, pkg/handler)."""
_EVERYWHERE = ("DeleteOptions", "Status", "WatchEvent")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    content_type: str
    etag: str
    """With its quotes, for ETag and If-None-Match."""
    packed: bytes

    def body(self) -> bytes:
        return zlib.decompress(self.packed)


class OpenApi:
    """Makes each document when it is first asked for, and keeps it packed: a tenth of its size."""

    def __init__(self, registry: Registry, *, version: str) -> None:
        self._registry = registry
        self._info = {"title": "Kubernetes", "version": version}
        self._documents: dict[tuple[str, str], Document] = {}

    def find(self, path: str, accept: str = "") -> Document | None:
        """The document at `/openapi/v2`, `/openapi/v3` or below; None: there is none.

        Of version 2 also as protobuf, which every kubectl asks for; of version 3 as JSON.
        """
        match path.strip("/").split("/"):
            case ["openapi", "v2"] if V2_PROTOBUF in accept or V2_PROTOBUF_AS_ASKED in accept:
                return self._keep(path, V2_PROTOBUF, lambda: encode_document(self._version_2()))
            case ["openapi", "v2"]:
                return self._keep(path, JSON, lambda: msgspec.json.encode(self._version_2()))
            case ["openapi", "v3"]:
                return self._keep(path, JSON, lambda: msgspec.json.encode(self._index()))
            case ["openapi", "v3", "api", version] if version in self._registry.versions(""):
                return self._keep(path, JSON, lambda: self._version_3("", version))
            case ["openapi", "v3", "apis", group, version] if version in self._registry.versions(group):
                return self._keep(path, JSON, lambda: self._version_3(group, version))
            case _:
                return None

    def _keep(self, path: str, content_type: str, make: Callable[[], bytes]) -> Document:
        key = (path.strip("/"), content_type)
        if key not in self._documents:
            body = make()
            etag = f'"{hashlib.sha256(body).hexdigest().upper()}"'
            self._documents[key] = Document(content_type=content_type, etag=etag, packed=zlib.compress(body))
        return self._documents[key]

    def _index(self) -> Tree:
        """The hash in an address lets clients keep what is behind it for good.

        It is of what a document is made from, so that the index does not need them all.
        """
        seed = msgspec.json.encode((self._info, list(self._registry)))
        paths = {}
        for group in self._registry.groups():
            for version in self._registry.versions(group):
                path = f"apis/{group}/{version}" if group else f"api/{version}"
                digest = hashlib.sha256(seed + path.encode()).hexdigest().upper()
                paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": paths}

    def _version_3(self, group: str, version: str) -> bytes:
        resources = self._registry.of_version(group, version)
        schemas = _schemas(resources, Dialect.V3)
        paths: Tree = {}
        for resource in resources:
            paths |= build_paths(resource, *_names(resource))
        document = {
            "openapi": "3.0.0",
            "info": self._info,
            "paths": dict(sorted(paths.items())),
            "components": {"schemas": schemas},
        }
        return msgspec.json.encode(document)

    def _version_2(self) -> Tree:
        paths: Tree = {}
        for resource in self._registry:
            for path, item in build_paths(resource, *_names(resource)).items():
                paths[path] = swagger.path_item(item)
        return {
            "swagger": "2.0",
            "info": self._info,
            "paths": dict(sorted(paths.items())),
            "definitions": _schemas(list(self._registry), Dialect.V2),
        }


def _schemas(resources: list[Resource], dialect: Dialect) -> dict[str, Tree]:
    roots: list[type[DictMixin]] = [getattr(meta_v1, name) for name in _EVERYWHERE]
    for resource in resources:
        roots += [model for model in _models(resource) if model is not None]
    schemas = build_schemas(roots, dialect)
    for resource in resources:
        for kind, name in zip((resource.kind, resource.list_kind), _names(resource), strict=True):
            # Types of ours have no model; what they hold is not described.
            schema = schemas.setdefault(name, {"description": kind, "type": "object"})
            known = schema.setdefault("x-kubernetes-group-version-kind", [])
            known.append({"group": resource.group, "kind": kind, "version": resource.version})
    for name in _EVERYWHERE:
        everywhere = sorted({(resource.group, resource.version) for resource in resources} | {("", "v1")})
        schemas[schema_name(getattr(meta_v1, name))]["x-kubernetes-group-version-kind"] = [
            {"group": group, "kind": name, "version": version} for group, version in everywhere
        ]
    return schemas


def _names(resource: Resource) -> tuple[str, str]:
    """The schemas of a resource's kind and of its list."""
    kind, many = _models(resource)
    package = "core" if not resource.group else resource.group.partition(".")[0]
    guess = f"io.k8s.api.{package}.{resource.version}"
    return (
        schema_name(kind) if kind else f"{guess}.{resource.kind}",
        schema_name(many) if many else f"{guess}.{resource.list_kind}",
    )


def _models(resource: Resource) -> tuple[type[DictMixin] | None, type[DictMixin] | None]:
    package = resource.group.partition(".")[0] or "core"
    try:
        module = load_models(f"{package}_{resource.version}")
    except ModuleNotFoundError:
        return None, None
    return getattr(module, resource.kind, None), getattr(module, resource.list_kind, None)
