"""Rules for the names of signers and of what they publish (core/validation/names.go)."""

from __future__ import annotations

from pillion.objects.fielderrors import FieldError, Path, invalid, required, too_long
from pillion.objects.validation import names
from pillion.units import quote

_MAX_NAME = names.SUBDOMAIN_MAX + 1 + names.LABEL_MAX + 1 + names.SUBDOMAIN_MAX
"""Characters of DOMAIN/NAMESPACE.NAME."""


def is_kubernetes_signer(name: str) -> bool:
    """Is this a name that the Kubernetes project keeps for itself?"""
    host = name.partition("/")[0]
    return host == "kubernetes.io" or host.endswith(".kubernetes.io")


def validate_signer_name(name: str, path: Path) -> list[FieldError]:
    """`example.com/signer-name` (ValidateSignerName). Of each half only the first label that is wrong is told."""
    if not name:
        return [required(path)]
    halves = name.split("/")
    if len(halves) != 2:
        detail = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(path, name, detail)]
    domain, rest = halves
    errors: list[FieldError] = []
    if len(domain.encode()) > names.SUBDOMAIN_MAX:
        errors.append(too_long(path, names.SUBDOMAIN_MAX))
    errors += _first_wrong(domain, names.dns_label, path)
    if "." not in domain:
        errors.append(
            invalid(path, domain, "should be a domain with at least two segments separated by dots")
        )
    errors += _first_wrong(rest, names.dns_subdomain, path)
    if len(name.encode()) > _MAX_NAME:
        errors.append(too_long(path, _MAX_NAME))
    return errors


def _first_wrong(text: str, syntax: names.Syntax, path: Path) -> list[FieldError]:
    for label in text.split("."):
        if wrong := syntax(label):
            return [invalid(path, text, f"validating label {quote(label)}: {sentence}") for sentence in wrong]
    return []


def validate_trust_bundle_name(name: str, path: Path) -> list[FieldError]:
    """One that belongs to a signer is `example.com:signer-name:NAME`; any other has no colon.

    The signer is taken from the name itself (ValidateClusterTrustBundleName).
    """
    return [
        invalid(path, name, f"not a valid clustertrustbundlename: {sentence}")
        for sentence in _trust_bundle_name(name)
    ]


def _trust_bundle_name(name: str) -> list[str]:
    prefix, colon, rest = name.rpartition(":")
    if colon and not prefix:
        return ['ClusterTrustBundle without signer name must not have ":" in its name']
    if "/" in prefix:
        signer, wanted = prefix.replace(":", "/"), prefix.replace("/", ":")
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {wanted}:"]
    return names.dns_subdomain(rest)
