"""Envoy's own image, without a registry: this machine's Envoy, at the places and with the user of the image."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.lab import Tree, a_pod, config_map, run_to_end, shell

pytestmark = pytest.mark.host

_CONFIGURATION = """
static_resources:
  listeners:
  - name: hello
    address: {socket_address: {address: 127.0.0.1, port_value: 10000}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: hello
          http_filters:
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config:
            virtual_hosts:
            - name: hello
              domains: ["*"]
              routes: [{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}]
"""
_USER = "for name in /proc/[0-9]*/comm; do if grep -qx envoy $name; then stat -c %u ${name%/comm}; fi; done"


def envoy_pod(**changes: object) -> Tree:
    envoy = {
        "name": "envoy",
        "image": "envoyproxy/envoy:v1.36-latest",
        "restartPolicy": "Always",
        "startupProbe": {"exec": {"command": ["curl", "-sf", "localhost:10000"]}, "periodSeconds": 1},
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/envoy"}],
        **changes,
    }
    return a_pod(
        "hello",
        shell("main", f"curl -s localhost:10000; echo; {_USER}"),
        inits=[envoy],
        shareProcessNamespace=True,
        volumes=[{"name": "configuration", "configMap": {"name": "envoy"}}],
    )


@pytest.mark.parametrize(
    ("changes", "user"),
    [
        ({}, "101"),
        ({"args": ["-c", "/etc/envoy/envoy.yaml"]}, "101"),
        ({"env": [{"name": "ENVOY_UID", "value": "0"}]}, "0"),
        ({"securityContext": {"runAsUser": 1234}}, "1234"),
    ],
    ids=["as it is", "options alone", "as root", "as somebody"],
)
def test_envoy_serves_what_is_mounted_as_the_user_of_its_image(
    tmp_path: Path, changes: Tree, user: str
) -> None:
    configuration = config_map("envoy", **{"envoy.yaml": _CONFIGURATION})
    run = run_to_end(tmp_path, configuration, envoy_pod(**changes), within=30)
    assert run.status == 0
    assert run.logs("hello", "main") == ["hello", user]
