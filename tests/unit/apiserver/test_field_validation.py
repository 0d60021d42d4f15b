"""Unknown and repeated fields: the cases of Kubernetes' own field_validation_test.go, on a Pod."""

from __future__ import annotations

import pytest
from tests.unit.apiserver.server import Server, serve

PODS = "/api/v1/namespaces/default/pods"
POD = f"{PODS}/p"
JSON = b"""{
  "apiVersion": "v1",
  "kind": "Pod",
  "metadata": {"name": "dupename", "name": "p", "unknownMeta": "m"},
  "spec": {
    "unknown1": "val1",
    "unknownDupe": {"a": 1, "a": 2},
    "unknownDupe": "valDupe2",
    "hostname": "a",
    "hostname": "b",
    "containers": [{
      "name": "c",
      "image": "c",
      "unknownNested": "val1",
      "imagePullPolicy": "Always",
      "imagePullPolicy": "Never"
    }]
  }
}"""
IN_JSON = (
    'duplicate field "metadata.name"',
    'unknown field "metadata.unknownMeta"',
    'unknown field "spec.unknown1"',
    'unknown field "spec.unknownDupe"',
    'duplicate field "spec.hostname"',
    'unknown field "spec.containers[0].unknownNested"',
    'duplicate field "spec.containers[0].imagePullPolicy"',
)
YAML = b"""apiVersion: v1
kind: Pod
metadata:
  name: dupename
  name: p
  unknownMeta: m
spec:
  unknown1: val1
  unknownDupe: valDupe
  unknownDupe: valDupe2
  hostname: a
  hostname: b
  containers:
  - name: c
    image: c
    unknownNested: val1
    imagePullPolicy: Always
    imagePullPolicy: Never
"""
LINES = (
    'line 5: key "name" already set in map',
    'line 10: key "unknownDupe" already set in map',
    'line 12: key "hostname" already set in map',
    'line 18: key "imagePullPolicy" already set in map',
)
UNKNOWN = (
    'unknown field "spec.containers[0].unknownNested"',
    'unknown field "spec.unknown1"',
    'unknown field "spec.unknownDupe"',
)
IN_YAML = (*LINES, 'unknown field "metadata.unknownMeta"', *UNKNOWN)
MERGE = b"""{"spec": {
  "unknown1": "val1", "unknownDupe": "valDupe", "unknownDupe": "valDupe2",
  "hostname": "b", "hostname": "b",
  "containers": [
    {"name": "c", "image": "c", "unknownNested": "val1", "imagePullPolicy": "Never", "imagePullPolicy": "Always"}
  ]
}}"""
IN_MERGE = (
    'duplicate field "spec.unknownDupe"',
    'duplicate field "spec.hostname"',
    'duplicate field "spec.containers[0].imagePullPolicy"',
    *UNKNOWN,
)
MERGE_AS_GO_PRINTS_IT = (
    "map[spec:map[containers:[map[image:c imagePullPolicy:Always name:c unknownNested:val1]] "
    "hostname:b unknown1:val1 unknownDupe:valDupe2]]"
)
OPERATIONS = b"""[
  {"op": "add", "path": "/spec/unknown1", "value": "val1", "foo": "bar"},
  {"op": "add", "path": "/spec/unknown2", "path": "/spec/unknown3", "value": "val1"},
  {"op": "add", "path": "/spec/containers/0/unknownNested", "value": "val1"}
]"""
IN_OPERATIONS = (
    'json patch unknown field "[0].foo"',
    'json patch duplicate field "[1].path"',
    'unknown field "spec.containers[0].unknownNested"',
    'unknown field "spec.unknown1"',
    'unknown field "spec.unknown3"',
)
IN_APPLIED = ('line 6: key "image" already set in map',)
APPLIED = b"""apiVersion: v1
kind: Pod
spec:
  containers:
  - {name: c, imagePullPolicy: Always,
     image: d, image: c}
"""
SENT_AS = {
    "POST": "application/json",
    "YAML": "application/yaml",
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


async def _send(server: Server, form: str, body: bytes, validation: str):
    query = f"?fieldManager=me&{validation}"
    if form in ("POST", "YAML"):
        return await server.call("POST", f"{PODS}{query}", body, content_type=SENT_AS[form])
    plain = {
        "metadata": {"name": "p"},
        "spec": {"hostname": "b", "containers": [{"name": "c", "image": "c"}]},
    }
    await server.create(PODS, plain)
    force = "&force=true" if form == "apply" else ""
    return await server.call("PATCH", f"{POD}{query}{force}", body, content_type=SENT_AS[form])


ROWS = [
    ("POST", JSON, IN_JSON),
    ("YAML", YAML, IN_YAML),
    ("strategic", MERGE, IN_MERGE),
    ("merge", MERGE, IN_MERGE),
    ("json", OPERATIONS, IN_OPERATIONS),
    ("apply", APPLIED, IN_APPLIED),
]


@pytest.mark.parametrize("validation", ["fieldValidation=Warn", ""])
@pytest.mark.parametrize(("form", "body", "found"), ROWS)
def test_each_finding_is_a_warning(form: str, body: bytes, found: tuple[str, ...], validation: str) -> None:
    async def check(server: Server) -> None:
        reply = await _send(server, form, body, validation)
        assert reply.code in (200, 201), reply.body
        texts = [warning.removeprefix('299 - "')[:-1].replace('\\"', '"') for warning in reply.warnings]
        assert tuple(texts) == found

    serve(check)


@pytest.mark.parametrize(("form", "body", "found"), ROWS)
def test_nobody_hears_of_them_who_wants_them_ignored(form: str, body: bytes, found: tuple[str, ...]) -> None:
    async def check(server: Server) -> None:
        reply = await _send(server, form, body, "fieldValidation=Ignore")
        assert (reply.code in (200, 201), reply.warnings) == (True, [])

    serve(check)


@pytest.mark.parametrize(
    ("form", "body", "code", "start", "end"),
    [
        (
            "POST",
            JSON,
            400,
            'Pod in version "v1" cannot be handled as a Pod: strict decoding error: ',
            ", ".join(IN_JSON),
        ),
        (
            "YAML",
            YAML,
            400,
            'Pod in version "v1" cannot be handled as a Pod: strict decoding error: yaml: unmarshal errors:\n  ',
            ", ".join(("\n  ".join(LINES), *IN_YAML[len(LINES) :])),
        ),
        (
            "strategic",
            MERGE,
            422,
            f' "" is invalid: patch: Invalid value: "{MERGE_AS_GO_PRINTS_IT}": strict decoding error: ',
            ", ".join(IN_MERGE),
        ),
        ("merge", MERGE, 422, ' "" is invalid: patch: Invalid value: "{', ", ".join(IN_MERGE)),
        ("json", OPERATIONS, 422, ' "" is invalid: patch: Invalid value: "{', ", ".join(IN_OPERATIONS)),
        (
            "apply",
            APPLIED,
            400,
            "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  ",
            IN_APPLIED[0],
        ),
    ],
)
def test_strictly_they_are_one_error(form: str, body: bytes, code: int, start: str, end: str) -> None:
    async def check(server: Server) -> None:
        reply = await _send(server, form, body, "fieldValidation=Strict")
        message = reply.tree["message"]
        assert (reply.code, message[: len(start)], message[-len(end) :]) == (code, start, end)

    serve(check)


@pytest.mark.parametrize(
    ("form", "body", "sentence"),
    [
        ("strategic", b'{"spec":{"hostname":5}}', "unrecognized type: int64"),
        ("strategic", b'{"spec":{"hostNetwork":"yes"}}', "unrecognized type: string"),
        ("strategic", b'{"metadata":{"labels":{"a":true}}}', "unrecognized type: bool"),
        ("strategic", b'{"spec":{"nodeSelector":"a"}}', "cannot restore map from string"),
        ("strategic", b'{"spec":{"dnsConfig":"a"}}', "cannot restore struct from: string"),
        (
            "merge",
            b'{"metadata":{"labels":{"a":5}}}',
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
    ],
)
def test_a_patch_that_makes_something_of_a_wrong_type_is_what_is_invalid(
    form: str, body: bytes, sentence: str
) -> None:
    async def check(server: Server) -> None:
        reply = await _send(server, form, body, "")
        assert (reply.code, reply.tree["reason"]) == (422, "Invalid")
        assert reply.tree["message"].startswith(' "" is invalid: patch: Invalid value: ')
        assert reply.tree["message"].endswith(f": {sentence}")
        assert reply.tree["details"]["causes"][0]["field"] == "patch"

    serve(check)


def test_what_a_secret_holds_is_not_in_the_refusal_of_a_patch() -> None:
    async def check(server: Server) -> None:
        place = "/api/v1/namespaces/default/secrets"
        await server.create(place, {"metadata": {"name": "s"}, "data": {"k": "aGlkZGVu"}})
        body = b'{"stringData": {"k": "hidden"}, "stringDate": "x"}'
        for kind in (SENT_AS["merge"], SENT_AS["strategic"]):
            reply = await server.call("PATCH", f"{place}/s?fieldValidation=Strict", body, content_type=kind)
            assert reply.code == 422
            assert b"hidden" not in reply.body
            assert b"aGlkZGVu" not in reply.body

    serve(check)


@pytest.mark.parametrize(("form", "body"), [("POST", JSON), ("YAML", YAML)])
def test_of_a_repeated_field_the_last_one_counts(form: str, body: bytes) -> None:
    async def check(server: Server) -> None:
        pod = (await _send(server, form, body, "fieldValidation=Ignore")).tree
        assert (pod["metadata"]["name"], pod["spec"]["hostname"]) == ("p", "b")
        assert pod["spec"]["containers"][0]["imagePullPolicy"] == "Never"

    serve(check)


@pytest.mark.parametrize("tree", [{}, {"spec": None}, {"spec": {}}, {"spec": {"containers": []}}])
def test_a_pod_without_a_spec_lacks_its_containers_and_nothing_else(tree: dict[str, object]) -> None:
    async def check(server: Server) -> None:
        reply = await server.call("POST", PODS, {"metadata": {"name": "p"}} | tree)
        assert (reply.code, reply.tree["message"]) == (
            422,
            'Pod "p" is invalid: spec.containers: Required value',
        )

    serve(check)
