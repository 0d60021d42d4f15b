"""TLS contexts from `tls.*` keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pillion.collector.configuration.failure import ConfigurationError
from pillion.http import tls
from pillion.http.failure import SettingError

if TYPE_CHECKING:
    import ssl

    from pillion.collector.configuration.settings import TlsSettings

_KEYS = {"cert_file": "crt_file"}
"""What Fluent Bit calls them, where that is something else."""


def client_context(settings: TlsSettings, place: str) -> ssl.SSLContext:
    """To connect with. The system's authorities are trusted unless `tls.ca_file` or `tls.ca_path` says who is.

    Raises ConfigurationError, naming `place`, for files that cannot be used.
    """
    return _context(settings, place, tls.client_context)


def server_context(settings: TlsSettings, place: str) -> ssl.SSLContext:
    """To be connected to with. Clients need a certificate when `tls.verify` is on and authorities are named.

    Raises ConfigurationError, naming `place`, for files that are missing or cannot be used.
    """
    if not (settings.crt_file and settings.key_file):
        raise ConfigurationError(f"{place}: tls.crt_file: a server needs it and tls.key_file")
    return _context(settings, place, tls.server_context)


def _context(
    settings: TlsSettings, place: str, build: Callable[[tls.TlsSettings], ssl.SSLContext]
) -> ssl.SSLContext:
    try:
        return build(
            tls.TlsSettings(
                verify=settings.verify,
                verify_hostname=settings.verify_hostname,
                ca_file=settings.ca_file,
                ca_path=settings.ca_path,
                cert_file=settings.crt_file,
                key_file=settings.key_file,
                key_password=settings.key_passwd,
                min_version=settings.min_version,
                max_version=settings.max_version,
            )
        )
    except SettingError as error:
        key = _KEYS.get(error.key, error.key)
        raise ConfigurationError(f"{place}: tls.{key}: {error.reason}") from error
