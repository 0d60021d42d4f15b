"""Whatever proxy.yaml may say at its limits, Envoy takes: what it would refuse has no line any more."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from tests.proxy_lab import Authority, validated

from pillion.proxy.configuration import load

REGEXES = (
    *(
        "[[:alpha:]]",
        "(?i)x",
        "(?P<n>x)",
        "(?<n>x)",
        r"\Qa.b\E",
        "a{1000}",
        "(a{100}){10}",
        r"\x{ff}",
        r"[^\x00-\xff]",
    ),
    *(
        "x*?",
        "(?U)a+",
        "(?s).",
        "\x07a",
        r"\07",
        r"\z",
        "(?m)^a$",
        "[a-z&&b]",
        "(|a)",
        "()",
        "$^",
        r"\b",
        r"[\d]",
    ),
    *(
        "(?-s:.)",
        "x{0}",
        "x{,5}",
        "{",
        "(?i-s)x",
        "(?i)(?-i)a",
        "|".join(f"word{number}" for number in range(500)),
    ),
)
ROUTES: tuple[dict[str, Any], ...] = (
    *({"timeout": time} for time in ("1ms", "8760h", "0s")),
    *({"idleTimeout": time} for time in ("1ms", "8760h", "0s")),
    {"retries": {"attempts": 10, "on": ["reset"], "perTryTimeout": "8760h"}},
    {
        "retries": {
            "attempts": 1,
            "on": ["5xx", "gateway-error", "envoy-ratelimited", "retriable-4xx", "cancelled"],
        }
    },
    {
        "retries": {
            "attempts": 1,
            "on": ["deadline-exceeded", "internal", "resource-exhausted", "unavailable"],
        }
    },
    *({"maxRequestBytes": size} for size in (1, 2**32 - 1)),
    {"rateLimit": {"requests": 2**31 - 1, "per": "50ms"}},
    {"rateLimit": {"requests": 1, "per": "8760h", "burst": 2**31 - 1}},
    *({"rewrite": rewrite} for rewrite in ({"prefix": "/%zz"}, {"prefix": "/a'b"}, {"host": "a_b"})),
    {"cors": {"origins": ["*"], "methods": ["GET", "PUT"], "expose": ["a^b"], "maxAge": "8760h"}},
    {"cors": {"origins": [{"prefix": "https://"}, "http://ä"], "maxAge": "1ms", "credentials": True}},
    *(
        {"allow": [who]}
        for who in ("spiffe://a", "spiffe://a/*", "*.a.b", {"uri": "ä"}, {"dns": {"prefix": "a"}})
    ),
)
MATCHES: tuple[dict[str, Any], ...] = (
    *({"regex": f"/x{regex}"} for regex in REGEXES),
    *({"headers": [{"name": "h", "regex": regex}]} for regex in REGEXES),
    *({"prefix": path} for path in ("/" + "a" * 4000, "/%zz", "/a;b", "/*", "/'\"")),
    *({"methods": [method]} for method in ("A-B", "A" * 32)),
    {"hosts": [f"agent-{number}.{'a' * 63}.example.org" for number in range(40)] + ["*.a", "_x.y"]},
    {"headers": [{"name": "a^b", "exact": "ä"}, {"name": "!#$%&'*+.^_`|~-", "present": True}]},
    {
        "headers": [
            {"name": "host", "exact": " x "},
            {"name": "h", "prefix": "日本"},
            {"name": "x" * 256, "exact": "v"},
        ]
    },
)
OUTBOUNDS: tuple[dict[str, Any], ...] = (
    *({"to": to} for to in ("a:1", "_a.b:65535", "[::1]:1", "10.0.0.1:1", f"{'a' * 63}.b:1")),
    *({"serverName": name} for name in ("a_b", "a", "x" * 63, ".".join(["a" * 50] * 4))),
    *({key: time} for key in ("timeout", "idleTimeout") for time in ("0s", "1ms", "8760h")),
    *({"connectTimeout": time} for time in ("1ms", "8760h")),
    *({"protocol": protocol} for protocol in ("auto", "http1", "http2")),
    *({"outlier": {key: time}} for key in ("interval", "ejection") for time in ("1ms", "301s", "8760h")),
    *({"outlier": {"consecutiveErrors": errors, "maxEjectedPercent": 100}} for errors in (1, 2**31 - 1)),
    {"outlier": {"maxEjectedPercent": 0}},
    *({"breaker": dict.fromkeys(("connections", "pending", "requests"), count)} for count in (1, 2**31 - 1)),
    {"breaker": {"retries": 0}},
)


def whole_file() -> dict[str, Any]:
    ports = itertools.count(10_000)
    routes = [{"to": 8000, "match": {"exact": f"/{number}"}, **route} for number, route in enumerate(ROUTES)]
    routes += [
        {"to": 8000, "match": {"prefix": f"/m{number}"} | match} for number, match in enumerate(MATCHES)
    ]
    for route in routes:
        if "regex" in route["match"]:
            del route["match"]["prefix"]
    outbound = {"certificate": "agent", "to": "model:1", "expect": ["spiffe://a/b"]}
    return {
        "certificates": [{"name": "agent", "folder": "/tls"}],
        "inbound": [
            {"name": "a" * 63, "port": 8443, "tls": "mutual", "certificate": "agent", "routes": routes},
            *(
                {
                    "name": f"in-{number}",
                    "port": next(ports),
                    "address": address,
                    "tls": "none",
                    "routes": [{"to": 1}],
                }
                for number, address in enumerate(("::", "127.0.0.1", "2001:db8::1"))
            ),
        ],
        "outbound": [
            {"name": f"out-{number}", "port": next(ports), **outbound, **changes}
            for number, changes in enumerate(OUTBOUNDS)
        ],
        "tracing": {"sampling": 0.001, "endpoint": "http://[::1]/'()*+,;=", "service": "ä b"},
        "concurrency": 256,
    }


def test_envoy_takes_what_is_read_at_its_limits(tmp_path: Path) -> None:
    configuration = load(json.dumps(whole_file()), "proxy.yaml")
    materials = {"agent": Authority().material("agent", dns="agent.lab")}
    assert validated(configuration, materials, tmp_path) == ""


@pytest.mark.parametrize("service", ["agent", "ä b", "x" * 4096])
def test_envoy_takes_any_name_of_a_service(service: str, tmp_path: Path) -> None:
    text = {"tracing": {"service": service, "sampling": 100, "endpoint": "http://a_b.c:65535"}}
    text |= {"inbound": [{"name": "a", "port": 1, "tls": "none", "routes": [{"to": 2}]}]}
    assert validated(load(json.dumps(text), "proxy.yaml"), {}, tmp_path) == ""
