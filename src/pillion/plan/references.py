"""What a Pod refers to by name, and the error for what is missing or does not fit when a container is to start."""

import base64
from typing import Protocol

from pillion.errors import ManifestError
from pillion.objects.models import core_v1

CONFIG_ERROR = "CreateContainerConfigError"
"""Reason when the kubelet itself cannot put a container's configuration together."""
CREATE_ERROR = "CreateContainerError"
"""Reason when the container runtime refuses the configuration."""


class ConfigError(ManifestError):
    """The container cannot be configured as things are. It is tried again later: the cause may heal.

    `reason` is the waiting reason, `str(error)` the message, both as Kubernetes spells them.
    """

    def __init__(self, message: str, reason: str = CONFIG_ERROR) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Configs(Protocol):
    """ConfigMaps and Secrets by name; None for one that does not exist."""

    def config_map(self, namespace: str, name: str) -> core_v1.ConfigMap | None: ...

    def secret(self, namespace: str, name: str) -> core_v1.Secret | None: ...


class TokenSource(Protocol):
    """Tokens of service accounts, for the volumes that hold one."""

    def token(self, pod: core_v1.Pod, *, audience: str, seconds: int) -> str:
        """The same one as long as it is good for; an empty audience is the API server's.

        Raises ConfigError when the pod's account is not there.
        """


class EnvFiles(Protocol):
    """Files in the pod's emptyDir volumes that `fileKeyRef` reads."""

    def read(self, volume: str, path: str) -> str | None:
        """The text of a file, found without following links out of the volume. None if there is no such file."""


class NoEnvFiles:
    """For pods without `fileKeyRef`."""

    def read(self, volume: str, path: str) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def config_map_data(config_map: core_v1.ConfigMap) -> dict[str, str]:
    """The keys that may become variables: `binaryData` is not among them."""
    return dict(config_map.data or {})


def secret_data(secret: core_v1.Secret) -> dict[str, bytes]:
    """Decoded. Raises ConfigError (without the value) for what is not base64."""
    decoded = {}
    for key, text in (secret.data or {}).items():
        try:
            decoded[key] = base64.b64decode("".join(text.split()), validate=True)
        except ValueError:
            name = secret.metadata.name if secret.metadata else ""
            raise ConfigError(f'cannot read key "{key}" of secret "{name}": it is not base64') from None
    return decoded
