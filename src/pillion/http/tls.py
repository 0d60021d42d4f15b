"""TLS contexts from files, or from the text that would be in them."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from pillion.http.failure import SettingError

_VERSIONS = {"tlsv1.2": ssl.TLSVersion.TLSv1_2, "tlsv1.3": ssl.TLSVersion.TLSv1_3}


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Empty: not given. `ca`, `cert` and `key` are PEM text in the place of a file. Shows no secret."""

    verify: bool = True
    verify_hostname: bool = True
    ca_file: str = ""
    ca_path: str = ""
    ca: str = ""
    cert_file: str = ""
    cert: str = ""
    key_file: str = ""
    key: str = ""
    key_password: str = ""
    min_version: str = ""
    """`TLSv1.2` or `TLSv1.3`."""
    max_version: str = ""

    def __repr__(self) -> str:
        return f"TlsSettings(ca_file={self.ca_file!r}, cert_file={self.cert_file!r}, verify={self.verify})"


def client_context(settings: TlsSettings) -> ssl.SSLContext:
    """To connect with. The system's authorities are trusted unless the settings say who is.

    Raises SettingError for what cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.verify and settings.verify_hostname
    context.verify_mode = ssl.CERT_REQUIRED if settings.verify else ssl.CERT_NONE
    if settings.ca_file or settings.ca_path or settings.ca:
        _load_authorities(context, settings)
    elif settings.verify:
        context.load_default_certs()
    if settings.cert_file or settings.cert:
        _load_certificate(context, settings)
    _bound_versions(context, settings)
    return context


def server_context(settings: TlsSettings) -> ssl.SSLContext:
    """To be connected to with. Clients need a certificate when `verify` is on and authorities are named.

    Raises SettingError for what is missing or cannot be used.
    """
    if not ((settings.cert_file or settings.cert) and (settings.key_file or settings.key)):
        raise SettingError("cert_file", "a server needs a certificate and its key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificate(context, settings)
    if settings.verify and (settings.ca_file or settings.ca_path or settings.ca):
        _load_authorities(context, settings)
        context.verify_mode = ssl.CERT_REQUIRED
    _bound_versions(context, settings)
    return context


def _load_authorities(context: ssl.SSLContext, settings: TlsSettings) -> None:
    key = "ca_file" if settings.ca_file else "ca_path" if settings.ca_path else "ca"
    try:
        context.load_verify_locations(settings.ca_file or None, settings.ca_path or None, settings.ca or None)
    except (OSError, ssl.SSLError, ValueError) as error:
        path = {"ca_file": settings.ca_file, "ca_path": settings.ca_path}.get(key, "it")
        raise SettingError(key, f"cannot use {path}: {_cause(error)}") from error


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    # Without a password OpenSSL would ask the terminal for one.
    password = settings.key_password
    with (
        _file(settings.cert_file, settings.cert) as certificate,
        _file(settings.key_file, settings.key) as key,
    ):
        try:
            context.load_cert_chain(certificate, key or None, lambda: password)
        except (OSError, ssl.SSLError) as error:
            files = " and ".join(path for path in (settings.cert_file, settings.key_file) if path) or "it"
            name = "cert_file" if settings.cert_file else "cert"
            raise SettingError(name, f"cannot use {files}: {_cause(error)}") from error


@contextmanager
def _file(path: str, text: str) -> Iterator[str]:
    """OpenSSL reads certificates from files only: one in memory, which nobody else can open by a name."""
    if path or not text:
        yield path
        return
    descriptor = os.memfd_create("pem")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(text.encode())
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _bound_versions(context: ssl.SSLContext, settings: TlsSettings) -> None:
    for key, name in (("min_version", settings.min_version), ("max_version", settings.max_version)):
        if not name:
            continue
        version = _VERSIONS.get(name.lower())
        if version is None:
            raise SettingError(key, f"{name} is not offered; write TLSv1.2 or TLSv1.3")
        if key == "min_version":
            context.minimum_version = version
        else:
            context.maximum_version = version


def _cause(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM data in it").replace("_", " ").lower()
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
