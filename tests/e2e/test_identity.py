"""Identities: two Pods, two accounts, and what openssl says of their certificates; renewed, and kept over a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.lab import PILLION, Tree, a_pod, launch, run_to_end, server, shell, write
from tests.e2e.served import WITHIN, Served, needs_kubectl, served

from pillion.proxy.certificates import reading
from pillion.proxy.certificates.purpose import Purpose
from pillion.proxy.configuration.values import Certificate
from pillion.units import Instant

pytestmark = pytest.mark.host

FOLDER = "/var/run/secrets/pillion.dev/identity"
# Waits for another certificate than the one it finds, and says whether the key it then finds is that one's.
WAIT_FOR_ANOTHER = f"""
cd {FOLDER}
first=$(readlink ..data)
while test "$(readlink ..data)" = "$first"; do sleep 0.1; done
cd ..data/
openssl x509 -noout -pubkey -in tls.crt > /tmp/of-certificate
openssl pkey -pubout -in tls.key > /tmp/of-key
cmp /tmp/of-certificate /tmp/of-key && openssl verify -x509_strict -CAfile ca.crt -untrusted tls.crt tls.crt
"""


def identified(name: str, *mains: Tree, value: str = "true", **spec: object) -> Tree:
    pod = a_pod(name, *mains, **spec)
    pod["metadata"]["annotations"] = {"pillion.dev/identity": value}
    return pod


def account(name: str) -> Tree:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def openssl(*arguments: str, stdin: str = "") -> str:
    said = subprocess.run(("openssl", *arguments), input=stdin, capture_output=True, text=True, check=False)
    assert said.returncode == 0, f"{said.stdout}{said.stderr}"
    return said.stdout


def read(cluster: Served, pod: str, file: str) -> str:
    return cluster.kubectl("exec", pod, "--", "cat", f"{FOLDER}/{file}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two Pods of two accounts, one of them under a user of its own, and a Service for the other."""
    with served(tmp_path_factory.mktemp("identity")) as cluster:
        as_user = {"runAsUser": 1000, "runAsGroup": 1000}
        service = {"selector": {"app": "agent"}, "ports": [{"port": 443}]}
        agent = identified("agent", server("main"), serviceAccountName="agent")
        agent["metadata"]["labels"] = {"app": "agent"}
        cluster.apply(
            account("agent"),
            account("caller"),
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "agents"}, "spec": service},
            agent,
            identified("caller", server("main"), serviceAccountName="caller", securityContext=as_user),
        )
        cluster.wait_ready("agent", "caller")
        yield cluster


@needs_kubectl
def test_openssl_takes_both_certificates_and_reads_both_names(cluster: Served, tmp_path: Path) -> None:
    keys = set()
    for pod in ("agent", "caller"):
        for file in ("tls.crt", "tls.key", "ca.crt"):
            (tmp_path / file).write_text(read(cluster, pod, file))
        chain, anchors = str(tmp_path / "tls.crt"), str(tmp_path / "ca.crt")
        openssl("verify", "-x509_strict", "-CAfile", anchors, "-untrusted", chain, chain)
        names = openssl("x509", "-noout", "-ext", "subjectAltName", "-in", chain)
        assert f"URI:spiffe://cluster.local/ns/default/sa/{pod}" in names
        assert ("DNS:agents.default.svc.cluster.local" in names) is (pod == "agent")
        public = openssl("pkey", "-pubout", "-in", str(tmp_path / "tls.key"))
        assert public == openssl("x509", "-noout", "-pubkey", "-in", chain)
        keys.add(public)
    assert len(keys) == 2


@needs_kubectl
def test_the_key_is_its_users_own_when_the_pod_says_who_that_is(cluster: Served) -> None:
    listed = cluster.kubectl("exec", "caller", "--", "stat", "-L", "-c", "%a %u", f"{FOLDER}/tls.key")
    assert listed.split() == ["600", "1000"]
    assert "PRIVATE KEY" in read(cluster, "caller", "tls.key"), "and that user reads it"
    uid = cluster.get("pod", "agent")["metadata"]["uid"]
    folder = cluster.state / "pods" / uid / "volumes"
    assert folder.stat().st_mode & 0o007 == 0, "on the machine only root gets as far as the volume"
    assert os.path.ismount(folder / "pillion-identity"), "which is in memory"
    assert cluster.fails("exec", "agent", "--", "touch", f"{FOLDER}/x")


@needs_kubectl
def test_the_proxy_takes_the_volume_as_it_is(cluster: Served) -> None:
    uid = cluster.get("pod", "agent")["metadata"]["uid"]
    folder = cluster.state / "pods" / uid / "volumes/pillion-identity"
    given = Certificate(
        name="agent",
        chain=str(folder / "tls.crt"),
        key=str(folder / "tls.key"),
        bundle=str(folder / "ca.crt"),
    )
    every_use = Purpose(serves=True, calls=True, verifies=True, peers=("cluster.local",))
    # Raises with all that is wrong.
    material = reading.read(given, Instant(time.time()), purpose=every_use)
    assert material.leaf is not None
    assert material.leaf.uris == ("spiffe://cluster.local/ns/default/sa/agent",)


@needs_kubectl
def test_no_key_is_in_the_api_the_store_or_the_log(cluster: Served) -> None:
    secret = "".join(read(cluster, "agent", "tls.key").splitlines()[1:-1])[40:80]
    for kinds in ("pods", "secrets", "configmaps", "events"):
        shown = cluster.kubectl("get", kinds, "-A", "-o", "json")
        assert secret not in shown
        assert "PRIVATE KEY" not in shown
    assert "PRIVATE KEY" not in cluster.log
    stored = b"".join(path.read_bytes() for path in cluster.state.glob("objects.db*"))
    assert stored
    assert secret.encode() not in stored


@needs_kubectl
def test_the_volume_is_shown_and_applying_the_same_manifest_again_changes_nothing(cluster: Served) -> None:
    pod = cluster.get("pod", "agent")
    [volume] = [one for one in pod["spec"]["volumes"] if one["name"] == "pillion-identity"]
    assert [next(iter(source)) for source in volume["projected"]["sources"]] == [
        "podCertificate",
        "clusterTrustBundle",
    ]
    applied = json.loads(pod["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"])
    assert cluster.apply(applied) == "pod/agent unchanged\n"


@needs_kubectl
def test_a_pod_may_ask_in_kubernetes_own_words(cluster: Served, tmp_path: Path) -> None:
    certificate = {
        "signerName": "pillion.dev/identity",
        "keyType": "ED25519",
        "maxExpirationSeconds": 3600,
        "credentialBundlePath": "identity.pem",
    }
    anchors = {"name": "pillion.dev:identity:bundle", "path": "anchors.pem"}
    projected = {"sources": [{"podCertificate": certificate}, {"clusterTrustBundle": anchors}]}
    mounted = [{"name": "own", "mountPath": "/own", "readOnly": True}]
    cluster.apply(
        a_pod("own", server("main", volumeMounts=mounted), volumes=[{"name": "own", "projected": projected}])
    )
    cluster.wait_ready("own")
    for file in ("identity.pem", "anchors.pem"):
        (tmp_path / file).write_text(cluster.kubectl("exec", "own", "--", "cat", f"/own/{file}"))
    bundle = tmp_path / "identity.pem"
    assert bundle.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    openssl("verify", "-CAfile", str(tmp_path / "anchors.pem"), "-untrusted", str(bundle), str(bundle))
    assert "ED25519" in openssl("pkey", "-noout", "-text", "-in", str(bundle))
    assert "ns/default/sa/default" in openssl("x509", "-noout", "-ext", "subjectAltName", "-in", str(bundle))
    cluster.kubectl("delete", "pod", "own", "--now")


@needs_kubectl
@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            {"podCertificate": {"signerName": "example.com/x", "keyType": "ECDSAP256", "keyPath": "k"}},
            (
                "credential bundle is not issued yet: nobody here signs for example.com/x; "
                "the only signer is pillion.dev/identity"
            ),
        ),
        (
            {"clusterTrustBundle": {"name": "roots", "path": "k"}},
            'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "roots" not found',
        ),
    ],
)
def test_who_asks_for_what_nobody_gives_waits_and_is_told_why(
    cluster: Served, source: Tree, said: str
) -> None:
    mounted = [{"name": "own", "mountPath": "/own"}]
    volumes = [{"name": "own", "projected": {"sources": [source]}}]
    name = f"waits-for-{next(iter(source)).lower()}"
    cluster.apply(a_pod(name, server("main", volumeMounts=mounted), volumes=volumes))
    told = cluster.until(
        "FailedMount", "get", "events", "-w", "--field-selector", f"involvedObject.name={name}"
    )
    assert said in told[-1]
    cluster.kubectl("delete", "pod", name, "--now")


@needs_kubectl
def test_another_value_of_the_annotation_is_refused(cluster: Served) -> None:
    said = cluster.fails("apply", "-f", "-", stdin=json.dumps(identified("x", server("main"), value="yes")))
    assert (
        'metadata.annotations[pillion.dev/identity]: Unsupported value: "yes": '
        'supported values: "false", "true"'
    ) in said


@needs_kubectl
@pytest.mark.slow
def test_a_certificate_is_renewed_at_half_its_life_also_after_a_server_was_killed(tmp_path: Path) -> None:
    """With a life of eight seconds. The Pod itself looks: key and certificate are always of one moment."""
    watching = f"i=1; while :; do ({WAIT_FOR_ANOTHER}) || exit 1; echo renewed $i; i=$((i+1)); done"
    pod = identified("agent", shell("main", watching))
    with served(tmp_path, "--identity-lifetime", "8", "--trust-domain", "example.org") as cluster:
        cluster.apply(pod)
        cluster.wait_ready("agent")
        cluster.until("renewed 1", "logs", "-f", "agent")
        before = read(cluster, "agent", "tls.crt")
        cluster.kill()
        cluster.start()
        done = cluster.kubectl("logs", "agent").count("renewed")
        # One as the new server knows of none, one at half the life of that.
        cluster.until(f"renewed {done + 2}", "logs", "-f", "agent")
        after = read(cluster, "agent", "tls.crt")
        assert before != after
        assert "spiffe://example.org/ns/default/sa/default" in openssl(
            "x509", "-noout", "-ext", "subjectAltName", stdin=after
        )
        assert cluster.get("pod", "agent")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_a_pod_of_a_file_gets_an_identity_too(tmp_path: Path) -> None:
    look = f"""
    cd {FOLDER} && openssl verify -x509_strict -CAfile ca.crt -untrusted tls.crt tls.crt &&
    openssl x509 -noout -ext subjectAltName -in tls.crt
    """
    run = run_to_end(tmp_path, identified("agent", shell("main", look), serviceAccountName="agent"))
    assert run.status == 0, run.stderr
    assert "URI:spiffe://cluster.local/ns/default/sa/agent" in " ".join(run.logs("agent", "main"))


def test_a_pod_of_a_file_that_outlives_its_run_goes_on_with_another_certificate(tmp_path: Path) -> None:
    watching = f"echo ready; ({WAIT_FOR_ANOTHER}) && echo renewed"
    manifest = str(write(tmp_path, identified("agent", shell("main", watching))))
    first = launch(tmp_path, manifest)
    try:
        first.until(lambda: first.logs("agent", "main"))
    finally:
        first.signal(signal.SIGKILL)
        first.end()
        first.close()
    second = launch(tmp_path, manifest)
    try:
        assert second.end() == 0, (second.stderr, second.logs("agent", "main"))
        assert [said["what"] for said in second.of_type("applied")] == ["adopted"]
        assert second.logs("agent", "main")[-1] == "renewed"
    finally:
        second.close()


def test_a_wrong_annotation_in_a_file_is_told_with_its_place(tmp_path: Path) -> None:
    manifest = write(tmp_path, identified("agent", server("main"), value="on"))
    argv = (*PILLION, "run", str(manifest), "--state-dir", str(tmp_path / "state"))
    said = subprocess.run(argv, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert said.returncode == 2
    assert f"{manifest}:1:1" in said.stderr
    assert 'metadata.annotations[pillion.dev/identity]: Unsupported value: "on"' in said.stderr
