# ruff: noqa: E501 - long sentences in rows
"""What a client without manners is answered, in Kubernetes' words; and that nobody else notices."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.apilab import CONFIG_MAPS, JSON, NAMESPACES, PODS, Api, Reply, config_map, shared

pytestmark = pytest.mark.host
MERGE, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
ROOT_CA = f"{CONFIG_MAPS}/kube-root-ca.crt"
CANNOT = 'ConfigMap in version "v1" cannot be handled as a ConfigMap: '
UNRECOGNIZED = "the object provided is unrecognized (must be of type "
UINT = "invalid resource version: resourceVersion: Invalid value: "


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with shared(tmp_path_factory.mktemp("bad")) as api:
        yield api


def _laughs() -> bytes:
    """A few hundred bytes that stand for 9¹⁰ words."""
    lines = (
        b"%c: &%c [%s]" % (letter, letter, b",".join([b"*%c" % (letter - 1)] * 9))
        for letter in range(98, 107)
    )
    return b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"\n".join(lines)


BODIES: list[tuple[str, str, Any, str, tuple[int, str, str]]] = [
    # what is wrong, content type, body, where, and the answer: code, reason, start of the message
    ("cut short", JSON, b'{"apiVersion', "", (400, "BadRequest", UNRECOGNIZED)),
    ("empty", JSON, b"", "", (400, "BadRequest", UNRECOGNIZED)),
    ("no text", JSON, b"\xff\xfe", "", (400, "BadRequest", UNRECOGNIZED)),
    ("deep", JSON, b"[" * 100_000, "", (400, "BadRequest", UNRECOGNIZED)),
    ("a list", JSON, [], "", (400, "BadRequest", "couldn't get version/kind; json parse error: ")),
    ("null", JSON, b"null", "", (400, "BadRequest", "couldn't get version/kind; json parse error: ")),
    ("no YAML", "application/yaml", b"a: [", "", (400, "BadRequest", UNRECOGNIZED)),
    ("deep YAML", "application/yaml", b"[" * 100_000, "", (400, "BadRequest", UNRECOGNIZED)),
    ("a YAML bomb", "application/yaml", _laughs(), "", (400, "BadRequest", UNRECOGNIZED)),
    ("cyclic YAML", "application/yaml", b"a: &a [*a]", "", (400, "BadRequest", UNRECOGNIZED)),
    ("no protobuf", "application/vnd.kubernetes.protobuf", b"k8s\0\xff", "", (400, "BadRequest", "")),
    ("XML", "text/xml", b"<a/>", "", (415, "UnsupportedMediaType", "the body of the request was in an unknown")),
    ("a number for a text", JSON, config_map() | {"data": {"k": 1}}, "", (400, "BadRequest", f"{CANNOT}json: cannot unmarshal number")),
    ("a list for a map", JSON, config_map() | {"data": []}, "", (400, "BadRequest", f"{CANNOT}json: cannot unmarshal array")),
    ("of another kind", JSON, config_map() | {"kind": "Secret"}, "", (400, "BadRequest", 'Secret in version "v1" cannot be')),
    ("of another version", JSON, config_map() | {"apiVersion": "v2"}, "", (400, "BadRequest", "the API version in the data (v2) does not match the expected API version (v1)")),
    ("unknown field", JSON, config_map() | {"spec": {}}, "?fieldValidation=Strict", (400, "BadRequest", f'{CANNOT}strict decoding error: unknown field "spec"')),
    ("written twice", JSON, b'{"metadata":{"name":"x"},"data":{"a":"1","a":"2"}}', "?fieldValidation=Strict", (400, "BadRequest", f'{CANNOT}strict decoding error: duplicate field "data.a"')),
    ("over 3 MiB", JSON, config_map(k="x" * (3 << 20)), "", (413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")),
    ("over 1 MiB of data", JSON, config_map(k="x" * (2 << 20)), "", (422, "Invalid", 'ConfigMap "a" is invalid: ')),
    ("no name", JSON, config_map("") , "", (422, "Invalid", 'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required')),
    ("a wrong name", JSON, config_map("A_B"), "", (422, "Invalid", 'ConfigMap "A_B" is invalid: metadata.name: Invalid value: "A_B": a lowercase RFC 1123')),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "body", "query", "expected"),
    [row[1:] for row in BODIES],
    ids=[row[0] for row in BODIES],
)
def test_a_bad_body_is_refused(
    api: Api, content_type: str, body: Any, query: str, expected: tuple[int, str, str]
) -> None:
    _refused(api.call("POST", CONFIG_MAPS + query, body, content_type=content_type), expected)


def _refused(reply: Reply, expected: tuple[int, str, str]) -> None:
    code, reason, start = expected
    found = reply.refusal
    assert found[:2] == (code, reason), found
    assert found[2].startswith(start), found


@pytest.mark.parametrize("body", [{"metadata": {"name": "x"}}, {"metadata": {"name": "x"}, "spec": {}}, {}])
def test_a_pod_of_nothing_lacks_its_containers(api: Api, body: dict[str, Any]) -> None:
    code, reason, message = api.call("POST", PODS, body).refusal
    assert (code, reason) == (422, "Invalid")
    assert "spec.containers: Required value" in message


def test_a_time_beyond_all_calendars_is_refused(api: Api) -> None:
    for time in ("9999-12-31T23:59:59-10:00", "0001-01-01T00:00:00+10:00"):
        event = {"metadata": {"name": "e"}, "involvedObject": {}, "firstTimestamp": time}
        assert api.call("POST", f"{NAMESPACES}/default/events", event).code == 400


def test_unknown_fields_are_pruned_with_a_warning_or_without(api: Api) -> None:
    for query, warnings in (("", ['299 - "unknown field \\"spec\\""']), ("&fieldValidation=Ignore", None)):
        reply = api.call("POST", f"{CONFIG_MAPS}?dryRun=All{query}", config_map() | {"spec": {}})
        assert (reply.code, reply.headers.get_all("Warning")) == (201, warnings)
        assert "spec" not in reply.tree


STALE = (
    'Operation cannot be fulfilled on configmaps "c": '
    "the object has been modified; please apply your changes to the latest version and try again"
)
UPDATES: list[tuple[str, str, str, Any, tuple[int, str, str]]] = [
    ("of an old version", "PUT", "", config_map("c") | {"metadata": {"name": "c", "resourceVersion": "1"}}, (409, "Conflict", STALE)),
    ("of another object of the name", "PUT", "", config_map("c") | {"metadata": {"name": "c", "uid": "x"}}, (409, "Conflict", 'Operation cannot be fulfilled on configmaps "c": Precondition failed: UID in precondition: x, UID in object meta: ')),
    ("under another name", "PUT", "", config_map("d"), (400, "BadRequest", "the name of the object (d) does not match the name on the URL (c)")),
    ("of nothing", "PUT", "x", config_map("cx"), (404, "NotFound", 'configmaps "cx" not found')),
    ("deletion of another object", "DELETE", "", {"preconditions": {"uid": "x"}}, (409, "Conflict", 'Operation cannot be fulfilled on configmaps "c": Precondition failed: UID in precondition: x')),
    ("deletion of an old version", "DELETE", "", {"preconditions": {"resourceVersion": "1"}}, (409, "Conflict", 'Operation cannot be fulfilled on configmaps "c": Precondition failed: ResourceVersion in precondition: 1')),
    ("unknown propagation", "DELETE", "", {"propagationPolicy": "x"}, (422, "Invalid", 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "x"')),
    ("deletion with half a body", "DELETE", "", b"{", (400, "BadRequest", "")),
    ("creation once more", "POST", "", config_map("c"), (409, "AlreadyExists", 'configmaps "c" already exists')),
    ("creation in no namespace", "POST", "/none", config_map("c"), (404, "NotFound", 'namespaces "none" not found')),
    ("creation in another namespace", "POST", "", config_map() | {"metadata": {"name": "c", "namespace": "x"}}, (400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request")),
]  # fmt: skip


def test_conflicts_change_nothing(api: Api) -> None:
    before = api.create(CONFIG_MAPS, config_map("c", k="v"))
    for what, method, suffix, body, expected in UPDATES:
        path = f"{CONFIG_MAPS}/c{suffix}" if method != "POST" else CONFIG_MAPS
        if suffix == "/none":
            path = f"{NAMESPACES}/none/configmaps"
        try:
            _refused(api.call(method, path, body), expected)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from error
    assert api.get(f"{CONFIG_MAPS}/c").tree == before
    assert api.call("DELETE", f"{CONFIG_MAPS}/c").code == 200
    _refused(api.call("DELETE", f"{CONFIG_MAPS}/c"), (404, "NotFound", 'configmaps "c" not found'))


PATCHES: list[tuple[str, Any, tuple[int, str, str]]] = [
    (JSON, {}, (415, "UnsupportedMediaType", "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json")),
    (MERGE, b"{", (400, "BadRequest", "error decoding patch: ")),
    (MERGE, [], (400, "BadRequest", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}")),
    (MERGE, b'{"a":' * 20_000, (400, "BadRequest", "error decoding patch: ")),
    (JSON_PATCH, {}, (400, "BadRequest", "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp")),
    (JSON_PATCH, [{"op": "test", "path": "/data/x", "value": 1}], (422, "Invalid", "the server rejected our request due to an error in our request")),
    ("application/apply-patch+yaml", _laughs(), (400, "BadRequest", "error decoding YAML: ")),
]  # fmt: skip


@pytest.mark.parametrize(("content_type", "body", "expected"), PATCHES)
def test_a_bad_patch_is_refused(
    api: Api, content_type: str, body: Any, expected: tuple[int, str, str]
) -> None:
    _refused(api.call("PATCH", f"{ROOT_CA}?fieldManager=x", body, content_type=content_type), expected)


QUERIES: list[tuple[str, tuple[int, str, str]]] = [
    ("resourceVersion=x", (400, "BadRequest", f'{UINT}"x": strconv.ParseUint: parsing "x": invalid syntax')),
    ("resourceVersion=-1", (400, "BadRequest", f'{UINT}"-1": strconv.ParseUint: parsing "-1": invalid syntax')),
    ("resourceVersion=99999999", (504, "Timeout", "Timeout: Too large resource version: 99999999, current: ")),
    ("resourceVersion=1&resourceVersionMatch=Exact", (410, "Expired", "The resourceVersion for the provided list is too old")),
    ("resourceVersionMatch=Exact", (422, "Invalid", 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: ')),
    ("limit=1&continue=x", (400, "BadRequest", "")),
    ("labelSelector=a%20in%20(", (400, "BadRequest", "unable to parse requirement: found '', expected: ',' or ')'")),
    ("fieldSelector=spec.x%3D1", (400, "BadRequest", '"spec.x" is not a known field selector: only ')),
    ("watch=1&resourceVersion=x", (400, "BadRequest", UINT)),
    ("watch=1&sendInitialEvents=true", (422, "Invalid", 'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), QUERIES)
def test_a_question_that_cannot_be_answered_is_refused(
    api: Api, query: str, expected: tuple[int, str, str]
) -> None:
    _refused(api.get(f"{CONFIG_MAPS}?{query}"), expected)


def test_a_watch_from_the_future_ends_with_an_error(api: Api) -> None:
    with api.watching(f"{CONFIG_MAPS}?watch=1&resourceVersion=99999999") as watch:
        (event,) = watch.rest()
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 504, "Timeout")


# Paths and methods

PATHS: list[tuple[str, str, tuple[int, ...]]] = [
    ("GET", "/api/v1/../../etc/passwd", (404,)),
    ("GET", f"{NAMESPACES}/..%2f..%2fetc/pods", (200, 400, 404)),
    ("GET", f"{CONFIG_MAPS}/..", (404,)),
    ("GET", f"{CONFIG_MAPS}/%2e%2e", (404,)),
    ("GET", f"{CONFIG_MAPS}/a%00b", (404,)),
    ("GET", f"{CONFIG_MAPS}/{'x' * 5000}", (404,)),
    ("GET", f"{CONFIG_MAPS}/a/b/c/d/e", (404,)),
    ("GET", "/" + "a/" * 2000, (404,)),
    ("GET", "//api/v1/pods", (200, 404)),
    ("GET", "/api/v1/pods/", (200, 404)),
    ("GET", "/apis/none.k8s.io/v1/things", (404,)),
    ("GET", "/api/v1/nodes/none/proxy/configz", (404,)),
    ("GET", f"{PODS}/none/log", (404,)),
    ("GET", f"{PODS}/none/exec?command=x", (404,)),
    ("GET", "/logs/", (404,)),
    ("GET", "/%ff%fe", (404,)),
    ("POST", f"{CONFIG_MAPS}/a", (405,)),
    ("PUT", CONFIG_MAPS, (405,)),
    ("PATCH", CONFIG_MAPS, (405,)),
    ("PROPFIND", CONFIG_MAPS, (405,)),
    ("TRACE", CONFIG_MAPS, (405,)),
    ("OPTIONS", CONFIG_MAPS, (405,)),
    ("POST", "/version", (405,)),
    ("DELETE", "/apis/apps", (405,)),
]


@pytest.mark.parametrize(("method", "path", "codes"), PATHS)
def test_a_path_leads_where_it_says_or_nowhere(
    api: Api, method: str, path: str, codes: tuple[int, ...]
) -> None:
    reply = api.call(method, path)
    assert reply.code in codes, reply.body
    assert b"root:" not in reply.body
    if reply.code >= 400:
        assert reply.tree["kind"] == "Status", reply.body


# Who asks


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer wrong", "Basic YTpi", "Bearer a.b.c", f"Bearer {'x' * 20_000}", "Bearer \xe9\xff"],
)
def test_nobody_is_let_in_without_a_good_token(api: Api, given: str) -> None:
    reply = Api(api.server, token="").call("GET", NAMESPACES, Authorization=given)
    assert reply.refusal == (401, "Unauthorized", "Unauthorized")


def test_health_is_told_to_anybody(api: Api) -> None:
    nobody = Api(api.server, token="")
    assert [nobody.get(f"/{path}").code for path in ("healthz", "livez", "readyz")] == [200, 200, 200]
    assert nobody.get("/metrics").code == nobody.get("/version").code == 401


def _account_token(api: Api, namespace: str = "default", **spec: Any) -> str:
    path = f"{NAMESPACES}/{namespace}/serviceaccounts/default/token"
    token: str = api.create(path, {"spec": spec})["status"]["token"]
    return token


def test_an_account_does_what_it_may_and_no_more(api: Api) -> None:
    account = Api(api.server, token=_account_token(api))
    assert account.get(PODS).code == 200
    who = 'User "system:serviceaccount:default:default" cannot'
    for method, path, what in (
        ("GET", f"{NAMESPACES}/default/secrets", f'secrets is forbidden: {who} list resource "secrets"'),
        ("GET", f"{NAMESPACES}/kube-system/pods", f'pods is forbidden: {who} list resource "pods"'),
        ("POST", CONFIG_MAPS, f'configmaps is forbidden: {who} create resource "configmaps"'),
        ("DELETE", f"{PODS}/p", f'pods "p" is forbidden: {who} delete resource "pods"'),
        ("GET", f"{PODS}/p/exec?command=id", f'pods "p" is forbidden: {who} get resource "pods/exec"'),
        ("GET", "/api/v1/nodes/x/proxy/configz", f'nodes "x" is forbidden: {who} get resource "nodes/proxy"'),
    ):
        _refused(
            account.call(method, path, config_map() if method == "POST" else None), (403, "Forbidden", what)
        )


def test_a_token_ends_with_its_account(api: Api) -> None:
    api.create(NAMESPACES, {"metadata": {"name": "brief"}})
    api.until(lambda: api.get(f"{NAMESPACES}/brief/serviceaccounts/default").code == 200)
    account = Api(api.server, token=_account_token(api, "brief"))
    assert account.get(f"{NAMESPACES}/brief/pods").code == 200
    api.delete(f"{NAMESPACES}/brief")
    api.until(lambda: api.get(f"{NAMESPACES}/brief").code == 404)
    assert account.get(f"{NAMESPACES}/brief/pods").refusal == (401, "Unauthorized", "Unauthorized")


def test_a_token_for_somebody_else_is_not_for_us(api: Api) -> None:
    elsewhere = Api(api.server, token=_account_token(api, audiences=["vault"]))
    assert elsewhere.get(PODS).code == 401


# Bytes


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20_000,
        b"GET / HTTP/1.1\r\nX-A: " + b"b" * 1_000_000,
        b"GET /" + b"a" * 1_000_000,
        b"\0" * 1000,
        b"SSH-2.0-x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=[
        "many headers",
        "a long header",
        "a long path",
        "zeros",
        "SSH",
        "negative",
        "two lengths",
        "no chunk",
    ],
)
def test_what_is_no_http_ends_its_own_connection_only(api: Api, sent: bytes) -> None:
    with api.dialled() as sock:
        try:
            sock.sendall(sent)
            answer = sock.recv(4096)
            while answer and sock.recv(65536):
                pass
        except OSError:
            answer = b""
        assert not answer or answer.split(b" ")[1].startswith((b"4",)), answer
    assert api.get("/healthz").code == 200


def test_too_much_is_refused_before_it_is_sent(api: Api) -> None:
    with api.dialled() as sock:
        sock.sendall(f"POST {CONFIG_MAPS} HTTP/1.1\r\n{api.head}Content-Length: 3145729\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_too_much_in_chunks_is_refused_where_it_becomes_too_much(api: Api) -> None:
    with api.dialled() as sock:
        sock.sendall(f"POST {CONFIG_MAPS} HTTP/1.1\r\n{api.head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with contextlib.suppress(OSError):  # it does not read on
            for _ in range(80):
                sock.sendall(chunk)
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_plain_http_is_not_answered(api: Api) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            answer = plain.recv(4096)
        except ConnectionResetError:
            answer = b""
    assert b"200" not in answer


def test_half_an_upload_creates_nothing(api: Api) -> None:
    body = json.dumps(config_map("half")).encode()
    head = f"POST {CONFIG_MAPS} HTTP/1.1\r\n{api.head}Content-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    with api.dialled() as sock:
        sock.sendall(head.encode() + body[:-1])
    assert api.get(f"{CONFIG_MAPS}/half").code == 404
