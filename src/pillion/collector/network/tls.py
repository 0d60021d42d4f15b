"""TLS contexts from `tls.*` keys."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from pillion.collector.configuration.failure import ConfigurationError

if TYPE_CHECKING:
    from pillion.collector.configuration.settings import TlsSettings

_VERSIONS = {"tlsv1.2": ssl.TLSVersion.TLSv1_2, "tlsv1.3": ssl.TLSVersion.TLSv1_3}


def client_context(settings: TlsSettings, place: str) -> ssl.SSLContext:
    """To connect with. The system's authorities are trusted unless `tls.ca_file` or `tls.ca_path` says who is.

    Raises ConfigurationError, naming `place`, for files that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.verify and settings.verify_hostname
    context.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    if settings.ca_file or settings.ca_path:
        _load_authorities(context, settings, place)
    elif settings.verify:
        context.load_default_certs()
    if settings.crt_file:
        _load_certificate(context, settings, place)
    _bound_versions(context, settings, place)
    return context


def server_context(settings: TlsSettings, place: str) -> ssl.SSLContext:
    """To be connected to with. Clients need a certificate when `tls.verify` is on and authorities are named.

    Raises ConfigurationError, naming `place`, for files that are missing or cannot be used.
    """
    if not (settings.crt_file and settings.key_file):
        raise ConfigurationError(f"{place}: tls.crt_file: a server needs it and tls.key_file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificate(context, settings, place)
    if settings.verify and (settings.ca_file or settings.ca_path):
        _load_authorities(context, settings, place)
        context.verify_mode = ssl.CERT_REQUIRED
    _bound_versions(context, settings, place)
    return context


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings, place: str) -> None:
    try:
        context.load_verify_locations(settings.ca_file or None, settings.ca_path or None)
    except (OSError, ssl.SSLError) as error:
        key, path = ("ca_file", settings.ca_file) if settings.ca_file else ("ca_path", settings.ca_path)
        raise ConfigurationError(f"{place}: tls.{key}: cannot use {path}: {_cause(error)}") from error


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings, place: str) -> None:
    # Without a password OpenSSL would ask the terminal for one.
    password = settings.key_passwd
    try:
        context.load_cert_chain(settings.crt_file, settings.key_file or None, lambda: password)
    except (OSError, ssl.SSLError) as error:
        files = " and ".join(path for path in (settings.crt_file, settings.key_file) if path)
        raise ConfigurationError(f"{place}: tls.crt_file: cannot use {files}: {_cause(error)}") from error


def _bound_versions(context: ssl.SSLContext, settings: TlsSettings, place: str) -> None:
    for key, name in (("min_version", settings.min_version), ("max_version", settings.max_version)):
        if not name:
            continue
        version = _VERSIONS.get(name.lower())
        if version is None:
            raise ConfigurationError(f"{place}: tls.{key}: {name} is not offered; write TLSv1.2 or TLSv1.3")
        if key == "min_version":
            context.minimum_version = version
        else:
            context.maximum_version = version


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM data in it").replace("_", " ").lower()
    return error.strerror or str(error)
