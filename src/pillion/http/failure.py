"""Settings that cannot be used."""

from __future__ import annotations

from pillion.errors import ManifestError


class SettingError(ManifestError):
    """`key` is the setting's name here; whoever knows what its author calls it, and where it stands, says so."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason
