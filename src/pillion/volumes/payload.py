"""What a configMap, secret, downwardAPI or projected volume holds: objects in, files or the kubelet's no out.

Pure. Sources, under pkg/volume: configmap and secret (MakePayload), downwardapi (CollectData), projected
(collectData), util/atomic_writer.go (validatePath).
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from pillion.objects.models import core_v1
from pillion.plan.downward import resource_value
from pillion.plan.facts import Allocatable
from pillion.plan.fieldpath import extract_field
from pillion.plan.podplan import Role
from pillion.plan.pods import container_named, containers_of, identity_of, spec_of
from pillion.plan.references import ConfigError, Configs, TokenSource, secret_data
from pillion.volumes.credentials import NO_CREDENTIALS, CertificateSource, Credentials
from pillion.volumes.failure import VolumeError

_MAX_NAME = 255
_MAX_PATH = 4096
_TOKEN_SECONDS = 3600
"""core/v1/defaults.go: SetDefaults_ServiceAccountTokenProjection."""


class File(NamedTuple):
    content: bytes
    mode: int
    owner: int | None = None
    """A user ID; None: root, as everything else."""


Payload = dict[str, File]
"""Files by their path relative to the volume's root."""


class _Reader(NamedTuple):
    """What all sources of one pod's volumes read from."""

    pod: core_v1.Pod
    namespace: str
    configs: Configs
    allocatable: Allocatable
    credentials: Credentials


def holds_payload(volume: core_v1.Volume) -> bool:
    """Is this a volume whose files follow objects, so that it is refreshed and read-only to containers?"""
    return bool(volume.configMap or volume.secret or volume.downwardAPI or volume.projected)


def build_payload(
    pod: core_v1.Pod,
    volume: core_v1.Volume,
    configs: Configs,
    allocatable: Allocatable,
    credentials: Credentials = NO_CREDENTIALS,
) -> Payload:
    """The files of `volume` as the objects are now. Raises VolumeError with the kubelet's message."""
    reader = _Reader(pod, identity_of(pod).namespace, configs, allocatable, credentials)
    if (maps := volume.configMap) is not None:
        payload = _config_map(reader, maps.name, maps.items, maps.defaultMode, optional=maps.optional)
    elif (source := volume.secret) is not None:
        payload = _secret(
            reader, source.secretName, source.items, source.defaultMode, optional=source.optional
        )
    elif (downward := volume.downwardAPI) is not None:
        payload = _downward(reader, downward.items, downward.defaultMode)
    elif (projected := volume.projected) is not None:
        payload = _projected(reader, volume.name, projected)
    else:
        raise VolumeError(f'volume "{volume.name}" holds no objects')
    return {clean_path(path): file for path, file in payload.items()}


def clean_path(path: str) -> str:
    """The path without `//` and `.` parts. Raises VolumeError if it is absolute, leads up, or is too long."""
    if not path:
        raise VolumeError('invalid path: must not be empty: ""')
    if path.startswith("/"):
        raise VolumeError(f"invalid path: must be relative path: {path}")
    if len(path.encode()) > _MAX_PATH:
        raise VolumeError(f"invalid path: must be less than or equal to {_MAX_PATH} characters")
    parts = path.split("/")
    if ".." in parts:
        raise VolumeError(f"invalid path: must not contain '..': {path}")
    if any(len(part.encode()) > _MAX_NAME for part in parts):
        raise VolumeError(f"invalid path: filenames must be less than or equal to {_MAX_NAME} characters")
    clean = str(PurePosixPath(path))
    # Also after cleaning: `./..data` would replace the writer's own link.
    if clean.startswith(".."):
        raise VolumeError(f"invalid path: must not start with '..': {path}")
    return clean


def _config_map(
    reader: _Reader,
    name: str | None,
    items: Sequence[core_v1.KeyToPath] | None,
    default_mode: int | None,
    *,
    optional: bool | None,
) -> Payload:
    found = reader.configs.config_map(reader.namespace, name or "")
    if found is None:
        if not optional:
            raise VolumeError(f'configmap "{name}" not found')
        found = core_v1.ConfigMap()
    # Not base64 cannot be: the codec has read it before.
    values = {key: base64.b64decode(text) for key, text in (found.binaryData or {}).items()}
    values |= {key: text.encode() for key, text in (found.data or {}).items()}
    complaint = "configmap references non-existent config key"
    return _select(values, items, default_mode, complaint, optional=optional)


def _secret(
    reader: _Reader,
    name: str | None,
    items: Sequence[core_v1.KeyToPath] | None,
    default_mode: int | None,
    *,
    optional: bool | None,
) -> Payload:
    found = reader.configs.secret(reader.namespace, name or "")
    if found is None:
        if not optional:
            raise VolumeError(f'secret "{name}" not found')
        found = core_v1.Secret()
    try:
        values = secret_data(found)
    except ConfigError as error:
        raise VolumeError(str(error)) from error
    return _select(values, items, default_mode, "references non-existent secret key", optional=optional)


def _select(
    values: Mapping[str, bytes],
    items: Sequence[core_v1.KeyToPath] | None,
    default_mode: int | None,
    complaint: str,
    *,
    optional: bool | None,
) -> Payload:
    mode = _required(default_mode)
    if not items:
        return {key: File(content, mode) for key, content in values.items()}
    payload: Payload = {}
    for item in items:
        if item.key in values:
            payload[item.path] = File(values[item.key], mode if item.mode is None else item.mode)
        elif not optional:
            raise VolumeError(f"{complaint}: {item.key}")
    return payload


def _required(default_mode: int | None) -> int:
    """Defaulting has put 0644 here; the kubelet refuses to guess, and so do we."""
    if default_mode is None:
        raise VolumeError("no defaultMode used, not even the default value for it")
    return default_mode


def _downward(
    reader: _Reader, items: Sequence[core_v1.DownwardAPIVolumeFile] | None, default_mode: int | None
) -> Payload:
    mode = _required(default_mode)
    payload: Payload = {}
    problems: list[str] = []
    for item in items or ():
        text = ""
        try:
            if item.fieldRef is not None:
                text = sorted_lines(extract_field(reader.pod, item.fieldRef.fieldPath))
            elif item.resourceFieldRef is not None:
                text = _resource(reader, item.resourceFieldRef)
        except (ConfigError, VolumeError) as error:
            problems.append(str(error))
        payload[item.path] = File(text.encode(), mode if item.mode is None else item.mode)
    _raise_all(problems)
    return payload


def sorted_lines(text: str) -> str:
    """Those of a whole map are in order already; upstream sorts a subscripted annotation, too (sortLines)."""
    return "\n".join(sorted(text.split("\n")))


def _resource(reader: _Reader, selector: core_v1.ResourceFieldSelector) -> str:
    """Raises VolumeError, ConfigError."""
    container = container_named(reader.pod, selector.containerName or "")
    if container is None:
        raise VolumeError(f"container {selector.containerName} not found")
    return resource_value(reader.pod, container, selector, reader.allocatable)


def _projected(reader: _Reader, volume: str, projected: core_v1.ProjectedVolumeSource) -> Payload:
    mode = _required(projected.defaultMode)
    payload: Payload = {}
    problems: list[str] = []
    for index, source in enumerate(projected.sources or ()):
        try:
            payload |= _projection(reader, volume, index, source, mode)
        except (VolumeError, ConfigError) as error:
            problems.append(str(error))
    _raise_all(problems)
    return payload


def _projection(
    reader: _Reader, volume: str, index: int, source: core_v1.VolumeProjection, mode: int
) -> Payload:
    """Of the volume's source at `index`. Raises VolumeError, ConfigError."""
    if (secret := source.secret) is not None:
        return _secret(reader, secret.name, secret.items, mode, optional=secret.optional)
    if (config_map := source.configMap) is not None:
        return _config_map(reader, config_map.name, config_map.items, mode, optional=config_map.optional)
    if source.downwardAPI is not None:
        return _downward(reader, source.downwardAPI.items, mode)
    return _credentials(reader, volume, index, source, mode)


def _credentials(
    reader: _Reader, volume: str, index: int, source: core_v1.VolumeProjection, mode: int
) -> Payload:
    """What is made for the pod. For its owner's eyes only when it is known who that is (projected.go: collectData).

    Raises VolumeError, ConfigError.
    """
    tokens, certificates = reader.credentials
    contents: dict[str, bytes] = {}
    if (token := source.serviceAccountToken) is not None and tokens is not None:
        contents[token.path] = _token(reader, tokens, token)
    elif (asked := source.podCertificate) is not None and certificates is not None:
        bundle = certificates.credential_bundle(reader.pod, volume, index)
        contents[asked.credentialBundlePath or ""] = bundle.key + bundle.chain
        contents[asked.keyPath or ""] = bundle.key
        contents[asked.certificateChainPath or ""] = bundle.chain
        contents.pop("", None)
    elif (trusted := source.clusterTrustBundle) is not None and certificates is not None:
        contents[trusted.path] = _trust_anchors(certificates, trusted)
    else:
        for kind in ("serviceAccountToken", "clusterTrustBundle", "podCertificate"):
            if getattr(source, kind) is not None:
                raise VolumeError(f"{kind} sources of projected volumes are not supported by pillion yet")
    context = spec_of(reader.pod).securityContext
    owner = _only_user(reader.pod)
    if owner is not None or (context is not None and context.fsGroup is not None):
        mode = 0o600
    return {path: File(content, mode, owner) for path, content in contents.items()}


def _token(reader: _Reader, tokens: TokenSource, source: core_v1.ServiceAccountTokenProjection) -> bytes:
    """Raises ConfigError."""
    seconds = _TOKEN_SECONDS if source.expirationSeconds is None else source.expirationSeconds
    return tokens.token(reader.pod, audience=source.audience or "", seconds=seconds).encode()


def _trust_anchors(certificates: CertificateSource, source: core_v1.ClusterTrustBundleProjection) -> bytes:
    """Raises VolumeError in the words of clustertrustbundle_manager.go, ConfigError."""
    if source.name is not None:
        anchors = certificates.trust_anchors_by_name(source.name)
        missing = (
            "while getting ClusterTrustBundle: "
            f'clustertrustbundle.certificates.k8s.io "{source.name}" not found'
        )
    else:
        anchors = certificates.trust_anchors_by_signer(source.signerName or "", source.labelSelector)
        missing = "combination of signerName and labelSelector matched zero ClusterTrustBundles"
    if anchors is None and not source.optional:
        raise VolumeError(missing)
    return anchors or b""


def _only_user(pod: core_v1.Pod) -> int | None:
    """The user that every container is told to run as (pkg/volume/util: FsUserFrom)."""
    shared = spec_of(pod).securityContext
    users = set()
    for role, container in containers_of(pod):
        if role is Role.EPHEMERAL:
            continue
        own = container.securityContext
        user = own.runAsUser if own is not None and own.runAsUser is not None else None
        users.add(user if user is not None or shared is None else shared.runAsUser)
    return users.pop() if len(users) == 1 else None


def _raise_all(problems: Sequence[str]) -> None:
    """All problems at once, each once (apimachinery errors.NewAggregate)."""
    distinct = list(dict.fromkeys(problems))
    if len(distinct) == 1:
        raise VolumeError(distinct[0])
    if distinct:
        raise VolumeError(f"[{', '.join(distinct)}]")
