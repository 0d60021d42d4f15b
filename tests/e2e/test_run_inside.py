"""What containers see: environment, volumes, identity, rights, names. One run for all, a pod for each question."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
from tests.e2e.lab import Tree, Watched, a_pod, config_map, run_to_end, secret, shell

pytestmark = pytest.mark.host

_STATUS = "grep -E '^(Cap(Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/self/status"


def volumes(**sources: Tree) -> Tree:
    return {"volumes": [{"name": name} | source for name, source in sources.items()]}


def mounts(**paths: str) -> Tree:
    return {"volumeMounts": [{"name": name, "mountPath": path} for name, path in paths.items()]}


def field(path: str) -> Tree:
    return {"valueFrom": {"fieldRef": {"fieldPath": path}}}


_PODS = (
    a_pod(
        "environment",
        shell(
            "main",
            'echo "$GREETING/$WHERE_mode/$KEY/$TOKEN/$NAME/$CPU"',
            env=[
                {"name": "WHO", "value": "pod"},
                {"name": "GREETING", "value": "hello $(WHO) $(NOBODY) $$(WHO)"},
                {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "credentials", "key": "token"}}},
                {"name": "NAME"} | field("metadata.name"),
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
            ],
            envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "WHERE_"}],
            resources={"limits": {"cpu": "1500m"}},
        ),
    ),
    a_pod(
        "configuration",
        shell(
            "main",
            "cat /config/mode; cat /secret/token; stat -L -c '%a' /config/mode /secret/token;"
            "readlink /config/mode; stat -f -c %T /secret; touch /config/new 2>&1; true",
            **mounts(config="/config", secret="/secret"),
        ),
        **volumes(
            config={"configMap": {"name": "settings"}},
            secret={"secret": {"secretName": "credentials", "defaultMode": 0o400}},
        ),
    ),
    a_pod(
        "described",
        shell("main", "cat /all/labels /all/mode /all/token; ls /all", **mounts(all="/all")),
        **volumes(
            all={
                "projected": {
                    "sources": [
                        {"configMap": {"name": "settings", "items": [{"key": "mode", "path": "mode"}]}},
                        {"secret": {"name": "credentials"}},
                        {
                            "downwardAPI": {
                                "items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]
                            }
                        },
                    ]
                }
            }
        ),
    ),
    a_pod(
        "shared",
        shell(
            "main",
            "touch /data/from-main; cat /data/from-init; stat -c '%a %g' /data; stat -c %g /data/from-main;"
            "stat -f -c '%S %b %T' /memory; cat /one/file; id -G",
            volumeMounts=[
                {"name": "data", "mountPath": "/data"},
                {"name": "memory", "mountPath": "/memory"},
                {"name": "data", "mountPath": "/one", "subPath": "sub/folder"},
            ],
        ),
        inits=[
            shell(
                "init",
                "echo handed over > /data/from-init; mkdir -p /data/sub/folder; echo below > /data/sub/folder/file",
                **mounts(data="/data"),
            )
        ],
        securityContext={"fsGroup": 4321, "runAsUser": 1000, "runAsGroup": 1000},
        **volumes(data={"emptyDir": {}}, memory={"emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}),
    ),
    a_pod("default-rights", shell("main", f"id -u; {_STATUS}")),
    a_pod(
        "restricted",
        shell(
            "main",
            f"id -u; id -g; {_STATUS}; touch /new 2>&1; true",
            securityContext={
                "runAsUser": 1000,
                "runAsGroup": 3000,
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        ),
    ),
    a_pod(
        "one-process-table",
        shell("main", "until grep -qs hidden /proc/[0-9]*/cmdline; do sleep 0.05; done; echo seen"),
        inits=[shell("side", "sleep 1000; : hidden", restartPolicy="Always")],
        shareProcessNamespace=True,
        terminationGracePeriodSeconds=1,
    ),
    a_pod(
        "own-process-table",
        shell(
            "main", "readlink /proc/self/ns/pid; head -c 7 /proc/1/cmdline; echo; ls -d /proc/[0-9]* | wc -l"
        ),
    ),
    a_pod(
        "names",
        shell("main", "hostname; cat /etc/hosts; echo --; cat /etc/resolv.conf; echo --; cat /etc/hostname"),
        hostAliases=[{"ip": "192.0.2.7", "hostnames": ["registry", "cache"]}],
    ),
    a_pod(
        "no-search",
        shell("main", "cat /etc/resolv.conf"),
        dnsPolicy="None",
        dnsConfig={"nameservers": ["192.0.2.53"], "searches": ["example.org"]},
    ),
    a_pod(
        "on-the-host",
        shell("main", "hostname; readlink /proc/self/ns/net; head -1 /etc/hosts"),
        hostNetwork=True,
    ),
    a_pod("last-words", shell("main", "printf 'the disk is full' > /dev/termination-log; exit 7")),
    a_pod(
        "last-lines",
        shell("main", "echo one; echo two; exit 7", terminationMessagePolicy="FallbackToLogsOnError"),
    ),
    a_pod(
        "too-hungry",
        shell("main", "x=x; while :; do x=$x$x; done", resources={"limits": {"memory": "16Mi"}}),
    ),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """All pods, side by side, to their end."""
    pods = [pod | {"metadata": pod["metadata"] | {"labels": {"app": "agent"}}} for pod in _PODS]
    return run_to_end(
        tmp_path_factory.mktemp("inside"),
        config_map("settings", mode="fast"),
        secret("credentials", token="s3cret"),
        *pods,
        within=60,
    )


def test_environment_comes_from_values_config_maps_secrets_fields_and_limits(run: Watched) -> None:
    assert run.logs("environment", "main") == ["hello pod $(NOBODY) $(WHO)/fast/fast/s3cret/environment/2"]


def test_config_maps_and_secrets_are_files_with_their_modes_and_cannot_be_written(run: Watched) -> None:
    lines = run.logs("configuration", "main")
    # No newline follows the contents of either file.
    assert lines[:4] == ["fasts3cret644", "400", "..data/mode", "tmpfs"]
    assert "Read-only file system" in lines[4]


def test_a_projected_volume_holds_all_of_its_sources(run: Watched) -> None:
    assert run.logs("described", "main") == ['app="agent"fasts3cretlabels', "mode", "token"]


def test_containers_share_an_empty_dir_its_group_its_parts_and_memory(run: Watched) -> None:
    assert run.logs("shared", "main") == [
        "handed over",
        "2777 4321",
        "4321",
        f"4096 {8 * 1024 // 4} tmpfs",
        "below",
        "1000 4321",
    ]


def test_a_container_has_kubernetes_default_rights(run: Watched) -> None:
    lines = run.logs("default-rights", "main")
    assert lines[0] == "0"
    assert lines[1:] == [
        "CapEff:\t00000000a80425fb",
        "CapBnd:\t00000000a80425fb",
        "NoNewPrivs:\t0",
        "Seccomp:\t0",
    ]


def test_a_security_context_takes_rights_away(run: Watched) -> None:
    lines = run.logs("restricted", "main")
    assert lines[:6] == [
        "1000",
        "3000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ]
    assert "Read-only file system" in lines[6]


def test_containers_of_a_pod_see_each_others_processes_only_if_it_says_so(run: Watched) -> None:
    assert run.logs("one-process-table", "main") == ["seen"]
    namespace, first, processes = run.logs("own-process-table", "main")
    assert namespace != str(Path("/proc/self/ns/pid").readlink())
    assert first == "/bin/sh"
    assert int(processes) < 6


def test_a_pod_has_its_name_its_hosts_file_and_the_machines_name_servers(run: Watched) -> None:
    text = "\n".join(run.logs("names", "main"))
    hostname, hosts, rest = text.split("\n", 1)[0], *text.split("\n", 1)[1].split("--\n", 1)
    assert hostname == "names"
    assert hosts.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    ip = run.pod("names")["status"]["podIP"]
    assert f"{ip}\tnames\n" in hosts
    assert "# Entries added by HostAliases.\n192.0.2.7\tregistry\tcache\n" in hosts
    own = set(re.findall(r"(?m)^nameserver .*$", Path("/etc/resolv.conf").read_text()))
    assert own <= set(rest.splitlines())
    assert rest.splitlines()[-1] == "names"
    assert run.logs("no-search", "main") == ["search example.org", "nameserver 192.0.2.53"]


def test_a_pod_on_the_host_network_has_the_hosts_name_address_and_namespace(run: Watched) -> None:
    hostname, namespace, hosts = run.logs("on-the-host", "main")
    assert hostname == socket.gethostname()
    assert namespace == str(Path("/proc/self/ns/net").readlink())
    assert hosts == "# Kubernetes-managed hosts file (host network)."
    status = run.pod("on-the-host")["status"]
    assert status["podIP"] == status["hostIP"]


def test_a_container_leaves_a_message_or_its_last_lines(run: Watched) -> None:
    for pod, message in (("last-words", "the disk is full"), ("last-lines", "one\ntwo\n")):
        ended = run.container(pod, "main")["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"], ended["message"]) == (7, "Error", message)


def test_a_container_that_takes_more_memory_than_it_may_is_oom_killed(run: Watched) -> None:
    ended = run.container("too-hungry", "main")["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")
    assert run.rows("too-hungry")[-1] == "OOMKilled"


def test_pods_that_fail_fail_the_run(run: Watched) -> None:
    assert run.status == 1
    phases = {said["pod"]: said["phase"] for said in run.of_type("finished")}
    failed = {"last-words", "last-lines", "too-hungry"}
    assert {pod for pod, phase in phases.items() if phase == "Failed"} == failed
    assert len(phases) == len(_PODS)
