"""Certificates and trust bundles in projected volumes: one small change a row, the exact errors."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.objects.basepod import LABEL, SUBDOMAIN, VOLUME, Tree, errors_of, volume

SOURCE = f"{VOLUME}.projected.sources[0]"
CERTIFICATE: Tree = {"signerName": "pillion.dev/identity", "keyType": "ECDSAP256", "keyPath": "tls.key"}
BUNDLE: Tree = {"signerName": "pillion.dev/identity", "path": "ca.crt"}
DAY = 86_400
NOT_QUALIFIED = (
    'Invalid value: "identity": must be a fully qualified domain and path of the form '
    "'example.com/signer-name'"
)
NO_NAME = "not a valid clustertrustbundlename"


def certificate(**changes: Any) -> Tree:
    return {"podCertificate": CERTIFICATE | changes}


def bundle(**changes: Any) -> Tree:
    return {"clusterTrustBundle": BUNDLE | changes}


def said(*sources: Tree) -> list[str]:
    return errors_of(volume(projected={"sources": list(sources)}))


@pytest.mark.parametrize(
    "changes",
    [
        {"certificateChainPath": "tls.crt"},
        {"keyPath": None, "credentialBundlePath": "identity.pem"},
        {"maxExpirationSeconds": 3600},
        {"maxExpirationSeconds": 91 * DAY},
        {"userAnnotations": {"Example.com/Note": "any value at all"}},
        *({"keyType": name} for name in ("RSA3072", "RSA4096", "ECDSAP384", "ECDSAP521", "ED25519")),
    ],
)
def test_a_certificate_may_be_asked_for_in_all_of_kubernetes_ways(changes: Tree) -> None:
    assert said(certificate(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        ({"signerName": ""}, ".signerName", "Required value"),
        (
            {"signerName": "identity"},
            ".signerName",
            NOT_QUALIFIED,
        ),
        (
            {"signerName": "dev/identity"},
            ".signerName",
            'Invalid value: "dev": should be a domain with at least two segments separated by dots',
        ),
        (
            {"signerName": "Pillion.dev/identity"},
            ".signerName",
            f'Invalid value: "Pillion.dev": validating label "Pillion": {LABEL}',
        ),
        (
            {"signerName": "pillion.dev/_"},
            ".signerName",
            f'Invalid value: "_": validating label "_": {SUBDOMAIN}',
        ),
        (
            {"keyType": "RSA2048"},
            ".keyType",
            (
                'Unsupported value: "RSA2048": supported values: '
                '"RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"'
            ),
        ),
        (
            {"maxExpirationSeconds": 3599},
            ".maxExpirationSeconds",
            "Invalid value: 3599: if provided, maxExpirationSeconds must be >= 3600",
        ),
        (
            {"maxExpirationSeconds": 91 * DAY + 1},
            ".maxExpirationSeconds",
            "Invalid value: 7862401: if provided, maxExpirationSeconds must be <= 7862400",
        ),
        (
            {"maxExpirationSeconds": DAY + 1, "signerName": "kubernetes.io/kube-apiserver-client-pod"},
            ".maxExpirationSeconds",
            "Invalid value: 86401: if provided, maxExpirationSeconds must be <= 86400",
        ),
        (
            {"userAnnotations": {"note": "x"}},
            ".userAnnotations",
            'Invalid value: "note": must be a domain-prefixed key (such as "acme.io/foo")',
        ),
        ({"userAnnotations": {"": "x"}}, ".userAnnotations", "Required value"),
        (
            {"userAnnotations": {"example.com/note": "x" * (256 << 10)}},
            ".userAnnotations",
            "Too long: may not be more than 262144 bytes",
        ),
        ({"keyPath": "../key"}, ".keyPath", "Invalid value: \"../key\": must not contain '..'"),
        ({"keyPath": "/key"}, ".keyPath", 'Invalid value: "/key": must be a relative path'),
        (
            {"keyPath": ""},
            "",
            "Required value: specify at least one of credentialBundlePath, keyPath, and certificateChainPath",
        ),
    ],
)
def test_a_certificate_that_cannot_be_is_refused(changes: Tree, field: str, why: str) -> None:
    assert said(certificate(**changes)) == [f"{SOURCE}.podCertificate{field}: {why}"]


@pytest.mark.parametrize(
    "changes",
    [
        {"labelSelector": {}},
        {"signerName": None, "name": "company-roots", "optional": True},
        {"signerName": None, "name": "pillion.dev:identity:bundle"},
    ],
)
def test_a_trust_bundle_may_be_asked_for_in_all_of_kubernetes_ways(changes: Tree) -> None:
    assert said(bundle(**changes)) == []


NAMED: Tree = {"signerName": None}


@pytest.mark.parametrize(
    ("changes", "field", "why"),
    [
        (
            {"signerName": "identity"},
            ".signerName",
            NOT_QUALIFIED,
        ),
        ({"signerName": None}, "", "Required value: either name or signerName must be specified"),
        (
            NAMED | {"name": "Roots"},
            ".name",
            f'Invalid value: "Roots": {NO_NAME}: {SUBDOMAIN}',
        ),
        (
            NAMED | {"name": "pillion.dev/identity:v1"},
            ".name",
            (
                f'Invalid value: "pillion.dev/identity:v1": {NO_NAME}: ClusterTrustBundle for signerName '
                "pillion.dev/identity must be named with prefix pillion.dev:identity:"
            ),
        ),
        (
            NAMED | {"name": ":v1"},
            ".name",
            (
                f'Invalid value: ":v1": {NO_NAME}: '
                'ClusterTrustBundle without signer name must not have ":" in its name'
            ),
        ),
        ({"path": "..ca"}, ".path", "Invalid value: \"..ca\": must not start with '..'"),
    ],
)
def test_a_trust_bundle_that_cannot_be_is_refused(changes: Tree, field: str, why: str) -> None:
    assert said(bundle(**changes)) == [f"{SOURCE}.clusterTrustBundle{field}: {why}"]


def test_no_two_sources_write_one_file() -> None:
    assert said(certificate(certificateChainPath="ca.crt"), bundle(), certificate()) == [
        f'{VOLUME}.projected: Invalid value: "ca.crt": conflicting duplicate paths',
        f'{VOLUME}.projected: Invalid value: "tls.key": conflicting duplicate paths',
    ]
