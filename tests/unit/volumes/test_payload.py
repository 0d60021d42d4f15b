"""From objects to the files of a volume, and the kubelet's messages for what is missing."""

import base64

import pytest

from pillion.objects.models import core_v1, meta_v1
from pillion.plan.facts import Allocatable
from pillion.plan.references import ConfigError
from pillion.volumes.credentials import CredentialBundle, Credentials
from pillion.volumes.failure import VolumeError
from pillion.volumes.payload import File, Payload, build_payload, clean_path

Item = core_v1.KeyToPath


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Objects:
    """The namespace `team`: one ConfigMap and one Secret."""

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None:
        if (namespace, name) != ("team", "settings"):
            return None
        return core_v1.ConfigMap(
            data={"a.conf": "one\n", "b.conf": "two\n"}, binaryData={"icon": b64(b"\xff\x00")}
        )

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None:
        if (namespace, name) != ("team", "tls"):
            return None
        return core_v1.Secret(data={"tls.key": b64(b"KEY"), "tls.crt": b64(b"CRT")})


POD = core_v1.Pod(
    metadata=meta_v1.ObjectMeta(name="agent", namespace="team", uid="u-1", labels={"app": "agent"}),
    spec=core_v1.PodSpec(
        containers=[
            core_v1.Container(
                name="main",
                resources=core_v1.ResourceRequirements(
                    limits={"cpu": "250m", "memory": "64Mi"}, requests={"cpu": "1"}
                ),
            )
        ],
        initContainers=[core_v1.Container(name="log")],
    ),
)


def config_map(**changes: object) -> core_v1.Volume:
    source = {"name": "settings", "defaultMode": 0o644} | changes
    return core_v1.Volume(name="v", configMap=core_v1.ConfigMapVolumeSource(**source))


def secret(**changes: object) -> core_v1.Volume:
    source = {"secretName": "tls", "defaultMode": 0o644} | changes
    return core_v1.Volume(name="v", secret=core_v1.SecretVolumeSource(**source))


def downward(*items: core_v1.DownwardAPIVolumeFile) -> core_v1.Volume:
    source = core_v1.DownwardAPIVolumeSource(items=list(items), defaultMode=0o644)
    return core_v1.Volume(name="v", downwardAPI=source)


def projected(*sources: core_v1.VolumeProjection) -> core_v1.Volume:
    source = core_v1.ProjectedVolumeSource(sources=list(sources), defaultMode=0o640)
    return core_v1.Volume(name="v", projected=source)


def field(path: str, field_path: str, mode: int | None = None) -> core_v1.DownwardAPIVolumeFile:
    selector = core_v1.ObjectFieldSelector(fieldPath=field_path)
    return core_v1.DownwardAPIVolumeFile(path=path, fieldRef=selector, mode=mode)


def resource(
    path: str, container: str, name: str, divisor: str | None = None
) -> core_v1.DownwardAPIVolumeFile:
    selector = core_v1.ResourceFieldSelector(containerName=container, resource=name, divisor=divisor)
    return core_v1.DownwardAPIVolumeFile(path=path, resourceFieldRef=selector)


ALLOCATABLE = Allocatable(cpu_millis=1500, memory_bytes=1 << 30)


def build(volume: core_v1.Volume) -> Payload:
    return build_payload(POD, volume, Objects(), ALLOCATABLE)


PROJECTED_SECRET = core_v1.VolumeProjection(
    secret=core_v1.SecretProjection(name="tls", items=[Item("tls.key", "key")])
)
PROJECTED_MAP = core_v1.VolumeProjection(configMap=core_v1.ConfigMapProjection(name="settings"))
PROJECTED_NAME = core_v1.VolumeProjection(
    downwardAPI=core_v1.DownwardAPIProjection(items=[field("n", "metadata.name")])
)


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        (
            config_map(),
            {
                "a.conf": File(b"one\n", 0o644),
                "b.conf": File(b"two\n", 0o644),
                "icon": File(b"\xff\x00", 0o644),
            },
        ),
        (config_map(items=[Item("a.conf", "etc/./x//a")]), {"etc/x/a": File(b"one\n", 0o644)}),
        (config_map(items=[Item("icon", "i", 0o400)], defaultMode=0o600), {"i": File(b"\xff\x00", 0o400)}),
        (config_map(items=[Item("a.conf", "a", 0)]), {"a": File(b"one\n", 0)}),
        (
            config_map(items=[Item("a.conf", "a"), Item("zzz", "z")], optional=True),
            {"a": File(b"one\n", 0o644)},
        ),
        (config_map(name="missing", optional=True), {}),
        (secret(), {"tls.key": File(b"KEY", 0o644), "tls.crt": File(b"CRT", 0o644)}),
        (secret(secretName="missing", optional=True, items=[Item("k", "k")]), {}),
        (downward(field("labels", "metadata.labels", 0o600)), {"labels": File(b'app="agent"', 0o600)}),
        (
            downward(
                resource("cpu", "main", "limits.cpu"),
                resource("millis", "main", "limits.cpu", "1m"),
                resource("mem", "main", "limits.memory", "1Mi"),
                resource("node-cpu", "log", "limits.cpu"),
                resource("no-request", "log", "requests.memory"),
            ),
            {
                "cpu": File(b"1", 0o644),
                "millis": File(b"250", 0o644),
                "mem": File(b"64", 0o644),
                "node-cpu": File(b"2", 0o644),
                "no-request": File(b"0", 0o644),
            },
        ),
        (
            projected(PROJECTED_SECRET, PROJECTED_MAP, PROJECTED_NAME),
            {
                "key": File(b"KEY", 0o640),
                "a.conf": File(b"one\n", 0o640),
                "b.conf": File(b"two\n", 0o640),
                "icon": File(b"\xff\x00", 0o640),
                "n": File(b"agent", 0o640),
            },
        ),
    ],
)
def test_a_volume_holds_these_files(volume: core_v1.Volume, files: Payload) -> None:
    assert build(volume) == files


TOKEN = core_v1.VolumeProjection(serviceAccountToken=core_v1.ServiceAccountTokenProjection(path="token"))


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        (config_map(name="nope"), 'configmap "nope" not found'),
        (secret(secretName="nope"), 'secret "nope" not found'),
        (config_map(items=[Item("k", "k")]), "configmap references non-existent config key: k"),
        (secret(items=[Item("k", "k")]), "references non-existent secret key: k"),
        (config_map(defaultMode=None), "no defaultMode used, not even the default value for it"),
        (config_map(items=[Item("a.conf", "../a")]), "invalid path: must not contain '..': ../a"),
        (config_map(items=[Item("a.conf", "/a")]), "invalid path: must be relative path: /a"),
        (downward(field("n", "status.podIP")), "unsupported fieldPath: status.podIP"),
        (
            downward(field("n", "status.podIP"), resource("r", "who", "limits.cpu")),
            "[unsupported fieldPath: status.podIP, container who not found]",
        ),
        (
            projected(
                core_v1.VolumeProjection(secret=core_v1.SecretProjection(name="s")),
                PROJECTED_MAP,
                core_v1.VolumeProjection(configMap=core_v1.ConfigMapProjection(name="c")),
            ),
            '[secret "s" not found, configmap "c" not found]',
        ),
        (
            projected(TOKEN),
            "serviceAccountToken sources of projected volumes are not supported by pillion yet",
        ),
    ],
)
def test_what_is_missing_is_told_in_the_kubelets_words(volume: core_v1.Volume, message: str) -> None:
    with pytest.raises(VolumeError) as refused:
        build(volume)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", 'invalid path: must not be empty: ""'),
        ("a/../b", "invalid path: must not contain '..': a/../b"),
        ("..data", "invalid path: must not start with '..': ..data"),
        ("./..data/x", "invalid path: must not start with '..': ./..data/x"),
        ("x" * 256, "invalid path: filenames must be less than or equal to 255 characters"),
        ("/".join(["x" * 200] * 21), "invalid path: must be less than or equal to 4096 characters"),
    ],
)
def test_a_path_that_would_leave_the_volume_or_its_layout_is_refused(path: str, message: str) -> None:
    with pytest.raises(VolumeError) as refused:
        clean_path(path)
    assert str(refused.value) == message


@pytest.mark.parametrize("path", ["a", ".hidden", "a..b", "a/..b"])
def test_a_path_inside_is_kept(path: str) -> None:
    assert clean_path(path) == path


class Certificates:
    """One signer, one named bundle, and a key and a chain that say whose they are."""

    async def prepare(self, pod: core_v1.Pod, volume: core_v1.Volume) -> None:
        """Everything is there."""

    def credential_bundle(self, pod: core_v1.Pod, volume: str, index: int) -> CredentialBundle:
        if index > 1:
            raise ConfigError("credential bundle is not issued yet")
        return CredentialBundle(key=f"KEY {volume} {index}\n".encode(), chain=b"CHAIN\n")

    def trust_anchors_by_name(self, name: str) -> bytes | None:
        return b"NAMED\n" if name == "roots" else None

    def trust_anchors_by_signer(self, signer: str, selector: meta_v1.LabelSelector | None) -> bytes | None:
        return b"SIGNER\n" if signer == "pillion.dev/identity" and selector is not None else None


def certificate(**paths: str) -> core_v1.VolumeProjection:
    asked = core_v1.PodCertificateProjection(keyType="ECDSAP256", signerName="pillion.dev/identity", **paths)
    return core_v1.VolumeProjection(podCertificate=asked)


def trusted(**fields: object) -> core_v1.VolumeProjection:
    source = core_v1.ClusterTrustBundleProjection(**{"path": "ca.crt"} | fields)
    return core_v1.VolumeProjection(clusterTrustBundle=source)


EMPTY = meta_v1.LabelSelector()
ISSUED = Credentials(certificates=Certificates())


@pytest.mark.parametrize(
    ("source", "contents"),
    [
        (certificate(keyPath="k", certificateChainPath="c"), {"k": b"KEY v 0\n", "c": b"CHAIN\n"}),
        (certificate(credentialBundlePath="b"), {"b": b"KEY v 0\nCHAIN\n"}),
        (trusted(signerName="pillion.dev/identity", labelSelector=EMPTY), {"ca.crt": b"SIGNER\n"}),
        (trusted(name="roots"), {"ca.crt": b"NAMED\n"}),
        (trusted(name="nope", optional=True), {"ca.crt": b""}),
        (trusted(signerName="example.com/other", optional=True), {"ca.crt": b""}),
    ],
)
def test_what_a_signer_gives_is_written_where_it_was_asked_for(
    source: core_v1.VolumeProjection, contents: dict[str, bytes]
) -> None:
    payload = build_payload(POD, projected(source), Objects(), ALLOCATABLE, ISSUED)
    assert {path: file.content for path, file in payload.items()} == contents
    assert {(file.mode, file.owner) for file in payload.values()} == {(0o640, None)}


def test_a_key_is_for_the_only_user_of_its_pod() -> None:
    source = certificate(keyPath="k", certificateChainPath="c")
    spec = core_v1.PodSpec(
        containers=POD.spec.containers,  # type: ignore[union-attr]
        securityContext=core_v1.PodSecurityContext(runAsUser=1000),
    )
    pod = core_v1.Pod(metadata=POD.metadata, spec=spec)
    payload = build_payload(pod, projected(source, trusted(name="roots")), Objects(), ALLOCATABLE, ISSUED)
    assert {path: (file.mode, file.owner) for path, file in payload.items()} == {
        "k": (0o600, 1000),
        "c": (0o600, 1000),
        "ca.crt": (0o600, 1000),
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            trusted(name="nope"),
            'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "nope" not found',
        ),
        (
            trusted(signerName="pillion.dev/identity"),
            "combination of signerName and labelSelector matched zero ClusterTrustBundles",
        ),
    ],
)
def test_trust_anchors_that_are_missing_are_told_in_the_kubelets_words(
    source: core_v1.VolumeProjection, message: str
) -> None:
    with pytest.raises(VolumeError) as refused:
        build_payload(POD, projected(source), Objects(), ALLOCATABLE, ISSUED)
    assert str(refused.value) == message


def test_a_certificate_that_is_not_there_yet_is_told_with_all_else_that_is_missing() -> None:
    sources = (
        certificate(keyPath="a"),
        certificate(keyPath="b"),
        certificate(keyPath="c"),
        trusted(name="x"),
    )
    with pytest.raises(VolumeError) as refused:
        build_payload(POD, projected(*sources), Objects(), ALLOCATABLE, ISSUED)
    assert str(refused.value) == (
        "[credential bundle is not issued yet, "
        'while getting ClusterTrustBundle: clustertrustbundle.certificates.k8s.io "x" not found]'
    )


def test_a_credential_bundle_shows_its_key_to_nobody() -> None:
    assert "SECRET" not in repr(CredentialBundle(key=b"SECRET", chain=b"CHAIN"))
