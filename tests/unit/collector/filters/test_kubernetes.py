"""The expectations are those of Fluent Bit's plugins/filter_kubernetes, with facts from the downward API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.filter_lab import TIME, Lab, bodies_of, decoded_records, text_records

from pillion.collector.configuration import ConfigurationError
from pillion.collector.records import as_records

ID = "0123456789abcdef" * 4
TAG = f"kube.var.log.containers.web-7d4b9_shop_app-{ID}.log"
OWN = {
    "POD_NAME": "web-7d4b9",
    "POD_NAMESPACE": "shop",
    "POD_UID": "u-1",
    "NODE_NAME": "node-a",
    "POD_IP": "10.0.0.7",
}
PARSERS = """
[PARSER]
    Name   pair
    Format regex
    Regex  ^(?<key>[^=]+)=(?<value>.*)$
[PARSER]
    Name   tagged
    Format regex
    Regex  ^(?<namespace_name>[^.]+)\\.(?<pod_name>[^.]+)\\.(?<container_name>[^.]+)$
"""


def lab(keys: str = "", *, folder: Path = Path("/nowhere"), environment: dict[str, str] = OWN) -> Lab:
    keys += "\nPodinfo_Dir podinfo\nKube_Namespace_File namespace"
    return Lab("kubernetes", keys, parsers=PARSERS, folder=folder, environment=environment)


def podinfo(
    folder: Path, *, labels: dict[str, str] | None = None, annotations: dict[str, str] | None = None
) -> None:
    (folder / "podinfo").mkdir(exist_ok=True)
    for name, pairs in (("labels", labels), ("annotations", annotations)):
        if pairs is not None:
            text = "\n".join(f"{key}={json.dumps(value)}" for key, value in pairs.items())
            (folder / "podinfo" / name).write_text(text)


NAMED = {"container_name": "app", "docker_id": ID}
OWN_FIELDS = {
    "pod_name": "web-7d4b9", "namespace_name": "shop", "pod_id": "u-1", "host": "node-a", "pod_ip": "10.0.0.7",
}  # fmt: skip


def test_a_container_s_log_is_told_apart_by_its_tag() -> None:
    found = lab().body({"log": "x"}, tag=TAG)
    assert found == {"log": "x", "kubernetes": {**OWN_FIELDS, **NAMED}}
    assert list(found["kubernetes"]) == [
        "pod_name", "namespace_name", "pod_id", "host", "pod_ip", "container_name", "docker_id",
    ]  # fmt: skip


def test_of_another_pod_on_the_node_is_known_what_its_tag_says() -> None:
    tag = f"kube.var.log.containers.db.0_data_postgres-main-{ID}.log"
    assert lab().body({}, tag=tag)["kubernetes"] == {
        "pod_name": "db.0", "namespace_name": "data", "host": "node-a", "container_name": "postgres-main",
        "docker_id": ID,
    }  # fmt: skip


def test_a_file_of_the_pod_itself_is_this_pod_s() -> None:
    assert lab().lines("x", tag="app.log") == [{"log": "x", "kubernetes": OWN_FIELDS}]


def test_labels_and_annotations_come_from_the_downward_api_volume(tmp_path: Path) -> None:
    podinfo(tmp_path, labels={"app": 'we"b', "tier": "a=b"}, annotations={"note": "two\nlines ü"})
    found = lab(folder=tmp_path).body({}, tag=TAG)["kubernetes"]
    assert found["labels"] == {"app": 'we"b', "tier": "a=b"}
    assert found["annotations"] == {"note": "two\nlines ü"}
    assert list(found)[:5] == ["pod_name", "namespace_name", "pod_id", "labels", "annotations"]
    without = lab("Labels Off\nAnnotations Off", folder=tmp_path).body({}, tag=TAG)["kubernetes"]
    assert not {"labels", "annotations"} & without.keys()


def test_facts_are_read_again_after_a_while(tmp_path: Path) -> None:
    podinfo(tmp_path, labels={"version": "1"})
    test = lab(folder=tmp_path)
    assert test.bodies({}, tag=TAG)[0]["kubernetes"]["labels"] == {"version": "1"}
    podinfo(tmp_path, labels={"version": "2"})
    assert test.bodies({}, tag=TAG, now=TIME + 10**9)[0]["kubernetes"]["labels"] == {"version": "1"}
    assert test.bodies({}, tag=TAG, now=TIME + 11 * 10**9)[0]["kubernetes"]["labels"] == {"version": "2"}


def test_name_and_namespace_are_found_in_files_too(tmp_path: Path) -> None:
    podinfo(tmp_path)
    (tmp_path / "podinfo" / "name").write_text("web-1\n")
    (tmp_path / "namespace").write_text("shop")
    assert lab(folder=tmp_path, environment={}).body({}, tag="app")["kubernetes"] == {
        "pod_name": "web-1", "namespace_name": "shop",
    }  # fmt: skip


def test_a_pod_that_nothing_is_known_of_is_said_and_its_records_pass() -> None:
    test = lab(environment={})
    assert test.lines("x", tag="app.log") == [{"log": "x"}]
    (sentence,) = test.context.notices.current.values()
    assert "POD_NAME" in sentence


def test_pods_in_files_are_as_the_api_server_has_them(tmp_path: Path) -> None:
    pod = {
        "metadata": {
            "name": "db", "namespace": "data", "uid": "u-9", "labels": {"a": "b"},
            "ownerReferences": [{"kind": "StatefulSet", "name": "db"}],
        },
        "spec": {"nodeName": "node-b"},
        "status": {
            "podIP": "10.1.1.1",
            "containerStatuses": [
                {
                    "name": "postgres", "image": "postgres:16", "containerID": f"containerd://{ID}",
                    "imageID": "docker-pullable://postgres@sha256:abc",
                }
            ],
        },
    }  # fmt: skip
    (tmp_path / "data_db.meta").write_text(json.dumps(pod))
    test = lab("Kube_Meta_Preload_Cache_Dir .\nOwner_References On", folder=tmp_path)
    assert test.body({}, tag=f"kube.var.log.containers.db_data_postgres-{ID}.log")["kubernetes"] == {
        "pod_name": "db", "namespace_name": "data", "pod_id": "u-9", "labels": {"a": "b"},
        "ownerReferences": [{"kind": "StatefulSet", "name": "db"}], "host": "node-b", "pod_ip": "10.1.1.1",
        "container_name": "postgres", "docker_id": ID, "container_hash": "postgres@sha256:abc",
        "container_image": "postgres:16",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "body", "expected"),
    [
        ("", {"log": '{"a":1}', "x": 2}, {"log": '{"a":1}', "x": 2, "a": 1}),
        ("Keep_Log Off", {"log": '{"a":1}', "x": 2}, {"x": 2, "a": 1}),
        ("Keep_Log Off", {"log": "plain", "x": 2}, {"log": "plain", "x": 2}),
        ("Keep_Log Off", {"log": "[1]"}, {"log": "[1]"}),
        ("Keep_Log Off", {"log": '{"a":1} {"b":2}'}, {"log": '{"a":1} {"b":2}'}),
        ("Keep_Log Off\nMerge_Log_Key in", {"log": '{"a":1}'}, {"in": {"a": 1}}),
        ("Keep_Log Off\nMerge_Log_Key in", {"log": "{}"}, {}),
        ("Keep_Log Off", {"log": {"a": 1}}, {"a": 1}),
        ("Keep_Log Off", {"log": '{"a":"x\\n\\n","b":"y\\\\n","c":"\\n"}'}, {"a": "x", "b": "y", "c": "\n"}),
        ("Keep_Log Off", {"log": '{"d":{"e":"z\\n"}}'}, {"d": {"e": "z\n"}}),
        ("Keep_Log Off\nMerge_Log_Trim Off", {"log": '{"a":"x\\n"}'}, {"a": "x\n"}),
        ("Keep_Log Off\nMerge_Parser pair", {"log": "a=b"}, {"key": "a", "value": "b"}),
        ("Keep_Log Off\nMerge_Parser pair", {"log": '{"a":1}'}, {"log": '{"a":1}'}),
        ("", {"message": '{"a":1}'}, {"message": '{"a":1}'}),
        ("Keep_Log Off", {"log": 5}, {"log": 5}),
    ],
)  # fmt: skip
def test_the_log_s_own_fields_are_merged(keys: str, body: dict[str, Any], expected: dict[str, Any]) -> None:
    found = lab("Merge_Log On\n" + keys).body(body, tag=TAG)
    kubernetes = found.pop("kubernetes")
    assert kubernetes["container_name"] == "app"
    assert found == expected


def test_without_merge_log_the_log_stays() -> None:
    assert lab("Keep_Log Off").body({"log": '{"a":1}'}, tag=TAG)["log"] == '{"a":1}'


def test_a_merged_text_without_a_time_of_its_own_happened_now_if_a_parser_read_it() -> None:
    later = TIME + 10**9
    for keys, expected in (("Merge_Parser pair", later), ("", TIME)):
        filtered = lab("Merge_Log On\n" + keys).put(
            decoded_records({"log": '{"a":"x=y"}' if not keys else "x=y"}), tag=TAG, now=later
        )
        assert filtered.content is not None
        assert as_records(filtered.content).times == [expected]


OUT, ERR, NONE = {"stream": "stdout", "log": "a=b"}, {"stream": "stderr", "log": "a=b"}, {"log": "a=b"}


@pytest.mark.parametrize(
    ("annotations", "kept"),
    [
        ({}, [OUT, ERR, NONE]),
        ({"exclude": "true"}, []),
        ({"exclude": "false"}, [OUT, ERR, NONE]),
        ({"exclude_stdout": "true"}, [ERR, NONE]),
        ({"exclude_stderr-app": "on"}, [OUT, NONE]),
        ({"exclude-other": "true"}, [OUT, ERR, NONE]),
        ({"exclude": "true", "exclude-app": "false"}, [OUT, ERR, NONE]),
    ],
)
def test_pods_leave_themselves_out(tmp_path: Path, annotations: dict[str, str], kept: list[Any]) -> None:
    podinfo(tmp_path, annotations={f"fluentbit.io/{name}": value for name, value in annotations.items()})
    test = lab("K8S-Logging.Exclude On\nAnnotations Off", folder=tmp_path)
    found = test.bodies(OUT, ERR, NONE, tag=TAG)
    assert [{name: body[name] for name in body if name != "kubernetes"} for body in found] == kept
    assert lab(folder=tmp_path).bodies(OUT, tag=TAG)  # not asked to listen


@pytest.mark.parametrize(
    ("annotations", "parsed"),
    [
        ({"parser": "pair"}, [True, True, True]),
        ({"parser_stdout": "pair"}, [True, False, False]),
        ({"parser-app": "pair", "parser": "none"}, [True, True, True]),
        ({"parser": "none"}, [False, False, False]),
    ],
)
def test_pods_choose_their_parser(tmp_path: Path, annotations: dict[str, str], parsed: list[bool]) -> None:
    podinfo(tmp_path, annotations={f"fluentbit.io/{name}": value for name, value in annotations.items()})
    test = lab("K8S-Logging.Parser On\nMerge_Log On\nKeep_Log Off", folder=tmp_path)
    assert ["key" in body for body in test.bodies(OUT, ERR, NONE, tag=TAG)] == parsed


def test_another_parser_reads_the_tag() -> None:
    test = lab("Regex_Parser tagged\nKube_Tag_Prefix k8s.")
    assert test.body({}, tag="k8s.shop.web.app")["kubernetes"]["container_name"] == "app"
    with pytest.raises(ConfigurationError, match="nobody"):
        lab("Regex_Parser nobody")


def test_records_do_not_share_their_map() -> None:
    test = lab()
    for form in (decoded_records({"n": 1}, {"n": 2}), text_records({"n": 1}, {"n": 2})):
        first, second = bodies_of(test.put(form, tag=TAG).content)
        first["kubernetes"]["pod_name"] = "changed"
        assert second["kubernetes"]["pod_name"] == "web-7d4b9"


def test_keys_about_the_api_server_are_named_as_without_effect() -> None:
    differences = lab("Kube_URL https://kubernetes.default.svc:443\nUse_Kubelet On").configuration.differences
    said = {each.subject.split(": ")[-1]: each.why for each in differences}
    assert said["kube_url"] == said["use_kubelet"] == "the API server is never asked"
    assert "where facts come from" in said
