"""TLS as Envoy has it: contexts of both directions, and the secrets they take their certificates from. Pure.

Versions, ciphers and curves are Mozilla's "intermediate" (wiki.mozilla.org/Security/Server_Side_TLS, 5.7), less the
DHE suites, which Envoy's BoringSSL does not have.
"""

from __future__ import annotations

from collections.abc import Mapping

from pillion.errors import Bug
from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import Identity, Inbound, Outbound, StringMatch, Tls
from pillion.proxy.xds.messages import extension, file_source, san_matcher, typed
from pillion.proxy.xds.names import bundle_secret, certificate_secret, secret_file
from pillion.proxy.xds.snapshot import Resource

CIPHERS = (
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
)
"""Of TLS 1.2. In brackets: equal, the client chooses by what its processor is good at."""
CURVES = ("X25519", "P-256", "P-384")
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's and Alpine's: for an outbound that names no certificate, such as a public API."""
_PARAMETERS: Resource = {
    "tls_minimum_protocol_version": "TLSv1_2",
    "tls_maximum_protocol_version": "TLSv1_3",
    "cipher_suites": list(CIPHERS),
    "ecdh_curves": list(CURVES),
}
_TLS = "envoy.extensions.transport_sockets.tls.v3."
_SOCKET = "envoy.transport_sockets.tls"


def downstream_socket(inbound: Inbound) -> Resource:
    """How a listener shows who it is, and asks who calls."""
    context: Resource = {
        "tls_params": _PARAMETERS,
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [_sds(certificate_secret(inbound.certificate))],
    }
    fields: Resource = {"common_tls_context": context}
    if inbound.tls is not Tls.SIMPLE:
        # With names to match Envoy insists on a certificate (default_validator.cc): where it need not be shown, the
        # names are asked for by a filter.
        callers = inbound.allow if inbound.tls is Tls.MUTUAL else ()
        context["combined_validation_context"] = _validation(inbound.certificate, callers)
        fields["require_client_certificate"] = inbound.tls is Tls.MUTUAL
        # A resumed session is not asked for its certificate again: one that has ended since would still let in.
        fields["disable_stateless_session_resumption"] = True
        fields["disable_stateful_session_resumption"] = True
    return extension(_SOCKET, _TLS + "DownstreamTlsContext", **fields)


def upstream_socket(outbound: Outbound) -> Resource:
    """How an outbound finds out whom it talks to, and shows who calls."""
    context: Resource = {"tls_params": _PARAMETERS}
    expect = outbound.expect or (Identity(dns=StringMatch(exact=server_name(outbound))),)
    if outbound.certificate:
        context["combined_validation_context"] = _validation(outbound.certificate, expect)
    else:
        context["validation_context"] = {
            "trusted_ca": {"filename": SYSTEM_BUNDLE},
            "match_typed_subject_alt_names": [san_matcher(identity) for identity in expect],
        }
    if outbound.protocol != "auto":
        context["alpn_protocols"] = ["h2" if outbound.protocol == "http2" else "http/1.1"]
    fields: Resource = {"common_tls_context": context}
    if outbound.tls is Tls.MUTUAL:
        context["tls_certificate_sds_secret_configs"] = [_sds(certificate_secret(outbound.certificate))]
        # As above: a resumed session would not be shown the other side's present certificate, nor ours.
        fields["max_session_keys"] = 0
    if name := server_name(outbound):
        fields["sni"] = name
    return extension(_SOCKET, _TLS + "UpstreamTlsContext", **fields)


def server_name(outbound: Outbound) -> str:
    """The SNI; empty when the other side is an address (RFC 6066, section 3: no literal addresses)."""
    return outbound.server_name or ("" if is_address(outbound.to[0]) else outbound.to[0])


def is_address(host: str) -> bool:
    """An IPv4 or IPv6 address, not a name. No name ends in a label of digits only (RFC 1123, section 2.1)."""
    return ":" in host or host.rpartition(".")[2].isdecimal()


def secrets(materials: Mapping[str, Material]) -> dict[str, Resource]:
    """Each entry as up to two secrets; keys and chains inline, so that both change in one moment."""
    made: dict[str, Resource] = {}
    for name, material in materials.items():
        if material.chain_pem:
            made[certificate_secret(name)] = typed(
                _TLS + "Secret",
                name=certificate_secret(name),
                tls_certificate={
                    "certificate_chain": {"inline_string": material.chain_pem},
                    "private_key": {"inline_string": material.key_pem},
                },
            )
        if material.bundle_pem:
            made[bundle_secret(name)] = typed(
                _TLS + "Secret",
                name=bundle_secret(name),
                validation_context={"trusted_ca": {"inline_string": material.bundle_pem}},
            )
    return made


def needed_secrets(inbound: tuple[Inbound, ...], outbound: tuple[Outbound, ...]) -> set[str]:
    """The secrets that listeners and clusters will ask for."""
    needed: set[str] = set()
    for one in inbound:
        if one.tls is not Tls.NONE:
            needed.add(certificate_secret(one.certificate))
        if one.tls in (Tls.MUTUAL, Tls.PERMISSIVE):
            needed.add(bundle_secret(one.certificate))
    for other in outbound:
        if other.tls is not Tls.NONE and other.certificate:
            needed.add(bundle_secret(other.certificate))
        if other.tls is Tls.MUTUAL:
            needed.add(certificate_secret(other.certificate))
    return needed


def _validation(certificate: str, identities: tuple[Identity, ...]) -> Resource:
    if not certificate:
        raise Bug("a certificate must be checked against the bundle of no certificate")
    return {
        "default_validation_context": {
            "match_typed_subject_alt_names": [san_matcher(identity) for identity in identities]
        },
        "validation_context_sds_secret_config": _sds(bundle_secret(certificate)),
    }


def _sds(name: str) -> Resource:
    return {"name": name, "sds_config": file_source(secret_file(name))}
