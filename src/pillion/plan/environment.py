"""A container's environment, as the kubelet puts it together just before each start.

kubelet_pods.go: makeEnvironmentVariables. `envFrom` in order, then `env` in order, later ones winning; a literal value
may refer to what is defined so far and to the variables of Services.
"""

from collections.abc import Mapping

from pillion.objects.models import core_v1
from pillion.plan.downward import field_value, resource_value
from pillion.plan.envfile import read_env_file
from pillion.plan.expansion import expand
from pillion.plan.facts import NodeFacts, PodFacts
from pillion.plan.pods import AnyContainer, metadata_of, spec_of
from pillion.plan.references import (
    CREATE_ERROR,
    ConfigError,
    Configs,
    EnvFiles,
    config_map_data,
    secret_data,
)


def build_environment(
    pod: core_v1.Pod,
    container: AnyContainer,
    *,
    configs: Configs,
    env_files: EnvFiles,
    node: NodeFacts,
    facts: PodFacts,
) -> dict[str, str]:
    """Every variable of the spec, then those of Services that the spec does not set itself.

    Raises ConfigError in Kubernetes' words when something that is not optional is missing.
    """
    sources = _Sources(pod, container, configs, env_files, node, facts)
    service_env = dict(facts.service_env)
    env: dict[str, str] = {}
    for bulk in container.envFrom or ():
        for key, value in sources.bulk(bulk).items():
            env[f"{bulk.prefix or ''}{key}"] = value

    def defined_so_far(name: str) -> str | None:
        return env[name] if name in env else service_env.get(name)

    for variable in container.env or ():
        if variable.value:
            env[variable.name] = expand(variable.value, defined_so_far)
            continue
        found = sources.single(variable.valueFrom) if variable.valueFrom is not None else ""
        if found is not None:
            env[variable.name] = found
    return env | {name: value for name, value in service_env.items() if name not in env}


class _Sources:
    """Where values come from. Each ConfigMap and Secret is read once, so one container sees one version of it."""

    def __init__(
        self,
        pod: core_v1.Pod,
        container: AnyContainer,
        configs: Configs,
        env_files: EnvFiles,
        node: NodeFacts,
        facts: PodFacts,
    ) -> None:
        self._pod = pod
        self._container = container
        self._configs = configs
        self._env_files = env_files
        self._node = node
        self._facts = facts
        self._namespace = metadata_of(pod).namespace or ""
        self._config_maps: dict[str, Mapping[str, str]] = {}
        self._secrets: dict[str, Mapping[str, bytes]] = {}

    def bulk(self, source: core_v1.EnvFromSource) -> dict[str, str]:
        """All keys of `envFrom`; none of an optional object that is missing. Raises ConfigError."""
        if source.configMapRef is not None:
            ref = source.configMapRef
            return dict(self._config_map(ref.name or "", ref.optional) or {})
        if source.secretRef is not None:
            data = self._secret(source.secretRef.name or "", source.secretRef.optional) or {}
            return {key: _text(value) for key, value in data.items()}
        return {}

    def single(self, source: core_v1.EnvVarSource) -> str | None:
        """The value of `valueFrom`; None leaves the variable undefined. Raises ConfigError."""
        if source.fieldRef is not None:
            return field_value(self._pod, source.fieldRef.fieldPath, self._node, self._facts)
        if source.resourceFieldRef is not None:
            allocatable = self._node.allocatable
            return resource_value(self._pod, self._container, source.resourceFieldRef, allocatable)
        if source.configMapKeyRef is not None:
            return self._config_map_key(source.configMapKeyRef)
        if source.secretKeyRef is not None:
            return self._secret_key(source.secretKeyRef)
        if source.fileKeyRef is not None:
            return self._file_key(source.fileKeyRef)
        return ""

    def _config_map(self, name: str, optional: bool | None) -> Mapping[str, str] | None:  # noqa: FBT001
        if name not in self._config_maps:
            found = self._configs.config_map(self._namespace, name)
            if found is None and optional:
                return None
            if found is None:
                raise ConfigError(f'configmap "{name}" not found')
            self._config_maps[name] = config_map_data(found)
        return self._config_maps[name]

    def _secret(self, name: str, optional: bool | None) -> Mapping[str, bytes] | None:  # noqa: FBT001
        if name not in self._secrets:
            found = self._configs.secret(self._namespace, name)
            if found is None and optional:
                return None
            if found is None:
                raise ConfigError(f'secret "{name}" not found')
            self._secrets[name] = secret_data(found)
        return self._secrets[name]

    def _config_map_key(self, ref: core_v1.ConfigMapKeySelector) -> str | None:
        name = ref.name or ""
        data = self._config_map(name, ref.optional)
        if data is not None and ref.key in data:
            return data[ref.key]
        if ref.optional:
            return None
        raise ConfigError(f"couldn't find key {ref.key} in ConfigMap {self._namespace}/{name}")

    def _secret_key(self, ref: core_v1.SecretKeySelector) -> str | None:
        name = ref.name or ""
        data = self._secret(name, ref.optional)
        if data is not None and ref.key in data:
            return _text(data[ref.key])
        if ref.optional:
            return None
        raise ConfigError(f"couldn't find key {ref.key} in Secret {self._namespace}/{name}")

    def _file_key(self, ref: core_v1.FileKeySelector) -> str | None:
        if not any(volume.name == ref.volumeName for volume in spec_of(self._pod).volumes or ()):
            raise ConfigError(f'cannot find the volume "{ref.volumeName}" referenced by FileKeyRef')
        text = self._env_files.read(ref.volumeName, ref.path)
        if text is None and not ref.optional:
            raise ConfigError("couldn't parse env file")
        try:
            value = read_env_file(text or "", ref.key)
        except ValueError as error:
            raise ConfigError("couldn't parse env file") from error
        if value:
            return value
        if ref.optional:
            return None
        raise ConfigError(f'environment variable key "{ref.key}" not found in file "{ref.path}"')


def _text(value: bytes) -> str:
    """A Secret's bytes as a variable. CRI carries text only, so other bytes fail there, and with these words."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        message = "grpc: error while marshaling: string field contains invalid UTF-8"
        raise ConfigError(message, CREATE_ERROR) from None
