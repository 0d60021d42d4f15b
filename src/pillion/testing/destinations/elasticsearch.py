"""Elasticsearch's bulk API: what it refuses of a request, and of each document in it.

Source: Elasticsearch's reference, "Bulk index or delete documents", and the errors that 8.x answers.
"""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

from pillion.testing.destinations.peer import HttpPeer, Received, Reply, json_reply

if TYPE_CHECKING:
    import ssl

_ACTIONS = {"create", "index", "update"}


class ElasticsearchServer(HttpPeer):
    """`version` 8 refuses `_type`. `longs` are fields mapped to `long`. `indices` has documents by index and name."""

    def __init__(
        self, *, version: int = 8, max_bytes: int = 100 << 20, tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(tls=tls)
        self.version = version
        self.max_bytes = max_bytes
        self.longs: set[str] = set()
        self.indices: dict[str, dict[str, dict[str, Any]]] = {}
        self.busy = 0
        """So many of the next documents are answered 429."""
        self._names = itertools.count(1)

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [document for index in self.indices.values() for document in index.values()]

    def answer(self, request: Received) -> Reply:
        if not request.path.endswith("/_bulk") and not request.path.endswith("/_bulk/"):
            return _error(405, "method_not_allowed", f"Incorrect HTTP method for uri [{request.path}]")
        if len(request.body) > self.max_bytes:
            return Reply(status=413)
        if request.headers.get("content-type") not in {"application/x-ndjson", "application/json"}:
            return _error(
                406, "media_type_header_exception", "Invalid media-type value on header [Content-Type]"
            )
        if not request.body.endswith(b"\n"):
            return _error(
                400, "illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]"
            )
        lines = request.body.split(b"\n")[:-1]
        items = []
        for number in range(0, len(lines), 2):
            try:
                [(operation, meta)] = json.loads(lines[number]).items()
                source = json.loads(lines[number + 1], object_pairs_hook=_unique)
            except (ValueError, IndexError, AttributeError) as error:
                if "Duplicate field" in str(error):
                    items.append(_failed("create", "?", 400, "document_parsing_exception", str(error)))
                    continue
                return _error(
                    400, "illegal_argument_exception", f"Malformed action/metadata line [{number + 1}]"
                )
            if operation not in _ACTIONS:
                return _error(
                    400, "illegal_argument_exception", f"Malformed action/metadata line [{number + 1}]"
                )
            if (
                unknown := set(meta)
                - {"_index", "_id", "pipeline", "routing"}
                - ({"_type"} if self.version < 8 else set())
            ):
                return _error(
                    400,
                    "illegal_argument_exception",
                    f"Action/metadata line [{number + 1}] contains an unknown parameter [{min(unknown)}]",
                )
            items.append(self._store(operation, meta, source))
        failed = any("error" in next(iter(item.values())) for item in items)
        return json_reply({"took": 1, "errors": failed, "items": items})

    def _store(self, operation: str, meta: dict[str, Any], source: Any) -> dict[str, Any]:
        index, name = str(meta["_index"]), str(meta.get("_id", ""))
        if self.busy > 0:
            self.busy -= 1
            said = "rejected execution of coordinating operation"
            return _failed(operation, index, 429, "es_rejected_execution_exception", said)
        if index != index.lower() or index.startswith(("-", "_", "+")):
            return _failed(operation, index, 400, "invalid_index_name_exception", "Invalid index name")
        documents = self.indices.setdefault(index, {})
        if operation == "update":
            source, upserts = source["doc"], source.get("doc_as_upsert", False)
            if name not in documents and not upserts:
                return _failed(
                    operation, index, 404, "document_missing_exception", f"[{name}]: document missing"
                )
            source = documents.get(name, {}) | source
        for field in self.longs & set(source):
            if not isinstance(source[field], int):
                return _failed(
                    operation, index, 400, "document_parsing_exception",
                    f"[1:5] failed to parse field [{field}] of type [long] in document with id 'x'."
                    f" Preview of field's value: '{source[field]}'",
                )  # fmt: skip
        if operation == "create" and name in documents:
            return _failed(
                operation, index, 409, "version_conflict_engine_exception", f"[{name}]: version conflict"
            )
        name = name or f"auto-{next(self._names)}"
        documents[name] = source
        return {operation: {"_index": index, "_id": name, "status": 201}}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("Duplicate field")
    return found


def _failed(operation: str, index: str, status: int, kind: str, reason: str) -> dict[str, Any]:
    return {operation: {"_index": index, "status": status, "error": {"type": kind, "reason": reason}}}


def _error(status: int, kind: str, reason: str) -> Reply:
    return json_reply({"error": {"type": kind, "reason": reason}, "status": status}, status=status)
