"""Bad manifests, and exactly what their authors read."""

# ruff: noqa: E501, ISC004 - a row is a text and what is said about it; it reads better than it folds

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pillion.manifest import ManifestProblems, load_manifests, read_manifests

HEAD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: agent\n"
SPEC = HEAD + "spec:\n  containers:\n  - name: agent\n    image: python:3.12\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\n"
RUNS = "it runs Pod, ConfigMap and Secret, and accepts Namespace"

# Named for the fault. Lines 1-4 are HEAD, 5-8 the rest of SPEC, 1-3 CONFIG and SECRET.
BAD = {
    "unknown field": (
        SPEC + "    imagee: x\n",
        'm.yaml:9:5: Pod/agent: spec.containers[0].imagee: unknown field, did you mean "image"?',
    ),
    "misindented field": (
        SPEC + "    volumes: []\n",
        "m.yaml:9:5: Pod/agent: spec.containers[0].volumes: unknown field, it belongs under spec",
    ),
    "unknown field with dots in its name": (SPEC + "  a.b[0]: x\n", "m.yaml:9:3: Pod/agent: spec.a.b[0]: unknown field"),
    "number for text": (
        SPEC + "    env:\n    - name: V\n      value: 1.10\n",
        "m.yaml:11:14: Pod/agent: spec.containers[0].env[0].value: "
        'expected a string, found a number, put it in quotes: "1.10"',
    ),
    "boolean for text": (
        CONFIG + "data:\n  debug: yes\n",
        'm.yaml:5:10: ConfigMap/conf: data[debug]: expected a string, found true, put it in quotes: "yes"',
    ),
    "octal for text": (
        CONFIG + "data:\n  mode: 0644\n",
        'm.yaml:5:9: ConfigMap/conf: data[mode]: expected a string, found a number, put it in quotes: "0644"',
    ),
    "a key with dots": (
        CONFIG + "data:\n  app.conf: [1]\n",
        "m.yaml:5:3: ConfigMap/conf: data[app.conf]: expected a string, found a list",
    ),
    "text for a number": (
        SPEC + '    ports: [{containerPort: "80"}]\n',
        "m.yaml:9:29: Pod/agent: spec.containers[0].ports[0].containerPort: "
        "expected an integer, found a string, remove the quotes",
    ),
    "text for a list": (
        SPEC + "    command: sleep 1\n",
        "m.yaml:9:14: Pod/agent: spec.containers[0].command: "
        'expected a list, found a string, start each item with "- "',
    ),
    "number in a secret": (
        SECRET + "stringData:\n  pin: 1234\n",
        "m.yaml:5:8: Secret/keys: stringData[pin]: expected a string, found a number, put it in quotes",
    ),
    "plain text in a secret": (
        SECRET + "data:\n  pin: plain text\n",
        "m.yaml:5:8: Secret/keys: data[pin]: not base64, plain text goes under stringData",
    ),
    "duplicate key": (
        SPEC + "    image: other\n",
        "m.yaml:9:5: Pod/agent: spec.containers[0].image: duplicate field, it is already set on line 8",
    ),
    "duplicate key in an item of a list": (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n"
        "  metadata: {name: conf}\n  data: {a: x, a: y}\n",
        "m.yaml:7:16: ConfigMap/conf: data.a: duplicate field, it is already set on line 7",
    ),
    "infinity": (
        CONFIG + "data: {a: .inf}\n",
        "m.yaml:4:11: ConfigMap/conf: data.a: neither infinity nor .nan is a number in JSON, put it in quotes",
    ),
    "null key": (CONFIG + "data: {~: x}\n", "m.yaml:4:8: ConfigMap/conf: data: a key must be text, put it in quotes"),
    "list as key": (CONFIG + "data: {[a]: x}\n", "m.yaml:4:8: ConfigMap/conf: data: a key must be text, put it in quotes"),
    "merge of text": (CONFIG + "data: {<<: x}\n", "m.yaml:4:12: ConfigMap/conf: data: << needs a mapping, or a list of mappings"),
    "tag that does not fit": (CONFIG + "data: {a: !!int x}\n", "m.yaml:4:11: ConfigMap/conf: data.a: the tag !!int does not fit the value"),
    "alias of nothing": (CONFIG + "data: *base\n", "m.yaml:4:7: data: *base refers to nothing, write &base on something before it"),
    "alias of itself": (CONFIG + "data: &a {b: *a}\n", "m.yaml:4:14: data.b: *a refers to nothing, write &a on something before it"),
    "required field": (
        HEAD + "spec:\n  containers:\n  - image: python:3.12\n",
        "m.yaml:7:5: Pod/agent: spec.containers[0].name: Required value",
    ),
    "value that Kubernetes refuses": (
        SPEC + "  restartPolicy: Sometimes\n",
        "m.yaml:9:18: Pod/agent: spec.restartPolicy: "
        'Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ),
    "reference to nothing": (
        SPEC + "    volumeMounts:\n    - {name: logs, mountPath: /logs}\n",
        'm.yaml:10:14: Pod/agent: spec.containers[0].volumeMounts[0].name: Not found: "logs"',
    ),
    "no containers": (HEAD + "spec: {}\n", "m.yaml:5:1: Pod/agent: spec.containers: Required value"),
    "probe on a plain init container": (
        SPEC + "  initContainers:\n  - name: init\n    image: x\n    livenessProbe: {exec: {command: [a]}}\n",
        "m.yaml:12:5: Pod/agent: spec.initContainers[0].livenessProbe: "
        "Forbidden: may not be set for init containers without restartPolicy=Always",
    ),
    "key that no file can have": (
        CONFIG + "data:\n  a/b: x\n",
        'm.yaml:5:8: ConfigMap/conf: data[a/b]: Invalid value: "a/b": a valid config key must consist of '
        "alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', "
        "regex used for validation is '[-._a-zA-Z0-9]+')",
    ),
    "no kind": ("apiVersion: v1\nmetadata: {name: x}\n", "m.yaml:1:1: kind: Required value, like kind: Pod"),
    "no apiVersion": ("kind: ConfigMap\nmetadata: {name: c}\n", "m.yaml:1:1: ConfigMap/c: apiVersion: Required value, like apiVersion: v1"),
    "empty kind": ("apiVersion: v1\nkind:\n", "m.yaml:2:1: kind: Required value, like kind: Pod"),
    "kind of the wrong type": ("apiVersion: v1\nkind: [Pod]\n", "m.yaml:2:1: kind: expected a string, found a list"),
    "misspelt kind": ("apiVersion: v1\nkind: Pdo\n", 'm.yaml:2:7: Pdo: kind: unknown kind "Pdo", did you mean "Pod"?'),
    "wrong apiVersion": (
        "apiVersion: apps/v1\nkind: Pod\n",
        'm.yaml:1:13: Pod: apiVersion: no matches for kind "Pod" in version "apps/v1", did you mean "v1"?',
    ),
    "kind with a template": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n",
        f"m.yaml:2:7: Deployment/web: kind: pillion does not run a Deployment yet, {RUNS}: put its template in a Pod",
    ),
    "kind of a cluster": (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n",
        f"m.yaml:2:7: Service/web: kind: pillion does not run a Service yet, {RUNS}",
    ),
    "kind of somebody else": (
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\n",
        'm.yaml:2:7: ServiceMonitor: kind: unknown kind "ServiceMonitor", '
        "pillion runs Pod, ConfigMap and Secret, and accepts Namespace",
    ),
    "items that are no list": ("apiVersion: v1\nkind: List\nitems: x\n", "m.yaml:3:1: List: items: expected a list, found a string"),
    "document that is a list": (
        "- a\n",
        "m.yaml:1:1: expected a mapping, found a list, a manifest starts with apiVersion and kind",
    ),
    "empty file": ("# nothing\n---\n", "m.yaml:1:1: there is no object in it, a manifest starts with apiVersion and kind"),
    "tab": (
        "metadata:\n\tname: x\n",
        "m.yaml:2:1: found character that cannot start any token, indent with spaces, YAML allows no tabs there",
    ),
    "tab in a block": (
        "data:\n  a: |\n    x\n\ty\n",
        "m.yaml:4:1: found a tab character where an indentation space is expected, "
        "indent with spaces, YAML allows no tabs there",
    ),
    "colon in a value": (
        "a: b: c\n",
        "m.yaml:1:5: mapping values are not allowed in this context, "
        'check the indentation of this line, and put a value that holds ": " in quotes',
    ),
    "at sign": ("a: @b\n", "m.yaml:1:4: found character that cannot start any token, put a value that starts with @ in quotes"),
    "open quote": ("a: 1\nb: 'x\n", "m.yaml:3:1: found unexpected end of stream, the quote opened on line 2 is never closed"),
    "open brace": ("a: {b: 1\nc: 2\n", "m.yaml:2:2: did not find expected ',' or '}', the bracket opened on line 1 is not closed"),
    "lost line": (
        "a:\n  b: 1\n c: 2\n",
        "m.yaml:3:2: did not find expected key, check the indentation: the line fits no block above it",
    ),
    "list and mapping mixed": (
        "- a\nb: 1\n",
        "m.yaml:2:1: did not find expected '-' indicator, check the indentation: the line fits no list above it",
    ),
    "backslash": (
        'a: "C:\\Users"\n',
        "m.yaml:1:9: did not find expected hexdecimal number, in double quotes a backslash starts an escape, use single quotes",
    ),
    "control character": ("ä: b\nc: \x01\n", "m.yaml:2:4: control characters are not allowed, remove the character"),
    "half a character": ("a: \udcff\n", "m.yaml:1:4: the text is not UTF-8, save it as UTF-8"),
    "nesting": ("[" * 5000, "m.yaml:1:102: " + "[0]" * 101 + ": nested more than 100 levels deep"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), BAD.values(), ids=BAD)
def test_a_bad_manifest_is_explained_where_it_is_wrong(text: str, problem: str) -> None:
    with pytest.raises(ManifestProblems) as caught:
        load_manifests(text, "m.yaml")
    assert str(caught.value).splitlines() == [problem]


def test_all_problems_of_all_documents_come_in_the_order_of_the_text() -> None:
    text = "\n---\n".join(
        (BAD["unknown field"][0], BAD["boolean for text"][0], BAD["misspelt kind"][0], "a: b: c")
    )
    problems = read_manifests(text, "m.yaml").problems
    assert [(problem.mark.line, problem.object_ref) for problem in problems] == [
        (9, "Pod/agent"),
        (16, "ConfigMap/conf"),
        (20, "Pdo"),
        (23, ""),
    ]


def test_what_only_follows_from_an_unreadable_field_is_not_reported_again() -> None:
    text = HEAD + "spec:\n  containers:\n  - nam: agent\n    image: [python]\n  - name: 1\n    image: x\n"
    assert [problem.field for problem in read_manifests(text, "m").problems] == [
        "spec.containers[0].nam",
        "spec.containers[0].image",
        "spec.containers[1].name",
    ]


def test_a_problem_reached_through_an_alias_points_at_the_anchor() -> None:
    text = SPEC + "    env: &env [{name: A, value: 1}]\n  - {name: other, image: x, env: *env}\n"
    assert [problem.mark for problem in read_manifests(text, "m").problems] == [(9, 33), (9, 33)]


def test_aliases_cannot_blow_up() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    (problem,) = read_manifests(bomb, "m.yaml").problems
    assert problem.message == "the aliases stand for too much text"


@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*<>!|'\" \n\t#%,.0?~", max_size=60))
@example("{" * 200)
@example("? ? ? a")
@example("&a : *a")
@example("!!binary x: y")
@example("apiVersion: v1\nkind: Pod\nspec: [")
def test_any_text_gives_objects_or_problems_with_a_place(text: str) -> None:
    manifest = read_manifests(text, "m.yaml")
    assert manifest.objects or manifest.problems
    # YAML ends lines where Python's splitlines does, and at a few places less.
    last = len(text.splitlines()) + 1
    assert all(1 <= problem.mark.line <= last and problem.mark.column >= 1 for problem in manifest.problems)


keys = st.sampled_from(
    ["apiVersion", "kind", "metadata", "name", "spec", "containers", "data", "items", "<<", "a"]
)
scalars = st.sampled_from(
    ["v1", "Pod", "ConfigMap", "Secret", "List", "x", "1", "1.5", "yes", "~", "''", "*a", "&a x"]
)
flow = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(keys, inner), max_size=4).map(
            lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(["Pod", "ConfigMap", "Secret", "Namespace", "List"]), flow, flow)
def test_any_object_gives_objects_or_problems(kind: str, metadata: str, body: str) -> None:
    text = f"apiVersion: v1\nkind: {kind}\nmetadata: {metadata}\nspec: {body}\ndata: {body}\nitems: {body}\n"
    read_manifests(text, "m.yaml")
