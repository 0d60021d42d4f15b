"""One proxy.yaml that is good, and the change of one thing in it."""

from __future__ import annotations

from pillion.proxy.configuration import ConfigurationError, load
from pillion.proxy.configuration.values import Configuration

FILE = "/etc/pillion/proxy.yaml"
GOOD = """\
certificates:
- name: agent
  folder: /tls
inbound:
- name: agent
  port: 8443
  tls: mutual
  certificate: agent
  allow:
  - spiffe://example.org/ns/default/sa/client
  routes:
  - match: {prefix: /v1}
    to: 8000
  - to: 8001
outbound:
- name: model
  port: 9001
  to: model.default.svc:8443
  certificate: agent
  expect:
  - spiffe://example.org/ns/default/sa/model
"""
"""The lines count: what is wrong has one."""


def read(text: str) -> Configuration:
    return load(text, FILE)


def changed(old: str, new: str) -> str:
    assert old in GOOD, f"{old!r} is to be changed"
    return GOOD.replace(old, new, 1)


def refusal(text: str) -> list[str]:
    """What is wrong, without the file's name: `LINE: path: …`."""
    try:
        read(text)
    except ConfigurationError as error:
        return [line.removeprefix(f"{FILE}:") for line in str(error).splitlines()]
    return []
