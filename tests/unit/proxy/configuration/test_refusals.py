# ruff: noqa: E501 - a message is one line
"""What is wrong with proxy.yaml is said with its line, its path and what to do."""

from __future__ import annotations

import pytest
from tests.unit.proxy.configuration.house import GOOD, changed, refusal


def of_route(match: str) -> str:
    return changed("{prefix: /v1}", match)


def with_key(line: str) -> str:
    return changed("  - to: 8001\n", f"  - to: 8001\n    {line}\n")


SINGLE_VALUES = [
    ("port: 8443", "port: 70000", "6: inbound[0].port: 70000 is out of range; write a port from 1 to 65535"),
    ("port: 8443", 'port: "8443"', "6: inbound[0].port: expected a port from 1 to 65535, found '8443'; remove the quotes"),
    ("port: 8443", "port: [1]", "6: inbound[0].port: expected a port from 1 to 65535, found a list"),
    ("port: 8443", "port:", "6: inbound[0].port: has no value; write one or remove the key"),
    ("port: 8443", "prot: 8443", "6: inbound[0].prot: unknown key; did you mean port?"),
    ("port: 8443", "zzz: 8443", "5: inbound[0].port: is missing; write a port from 1 to 65535"),
    ("tls: mutual", "tls: mtls", "7: inbound[0].tls: 'mtls' is not known here; write mutual"),
    ("tls: mutual", "tls: mutuel", "7: inbound[0].tls: 'mutuel' is not known here; did you mean mutual?"),
    ("name: agent\n  port", "name: Agent_1\n  port", "5: inbound[0].name: 'Agent_1' is no name; write it like agent"),
    ("name: agent\n  port", "name: 12\n  port", '5: inbound[0].name: expected text, found 12; put it in quotes: "12"'),
    ("folder: /tls", "folder: /${HOME}", "3: certificates[0].folder: ${HOME} is not expanded; write the value itself"),
    (
        "folder: /tls",
        'key: "-----BEGIN PRIVATE KEY-----\\nMHcC"',
        "3: certificates[0].key: text in PEM is no path; put it into a file, and write its path",
    ),
    (
        "folder: /tls",
        "key: /k",
        "2: certificates[0].chain: is missing beside key; write both, or folder alone",
    ),
    (
        "  folder: /tls\n",
        "",
        "2: certificates[0]: names no files; write folder: F for F/tls.crt, F/tls.key and F/ca.crt",
    ),
    (
        "folder: /tls",
        "folder: /tls\n  identity: sa/agent",
        ("4: certificates[0].identity: 'sa/agent' is no SPIFFE ID and no DNS name; write spiffe://TRUST-DOMAIN/PATH, or"
        " NAME.DOMAIN; of another URI: uri: …"),
    ),
    (
        "folder: /tls",
        "folder: /tls\n  identity:",
        "4: certificates[0].identity: has no value; write one or remove the key",
    ),
    (
        "folder: /tls",
        "bundle: /tls/ca.crt\n  identity: a.example",
        "4: certificates[0].identity: has no effect without a chain: it is asked of our own certificate; remove it",
    ),
    (
        "sa/client",
        "sa/*/client",
        ("10: inbound[0].allow[0]: 'spiffe://example.org/ns/default/sa/*/client': the path must be of parts of letters,"
        " digits, '.', '-' and '_'; only the last part may be *"),
    ),
    (
        "spiffe://example.org/ns/default/sa/client",
        "https://a",
        ("10: inbound[0].allow[0]: 'https://a' is no SPIFFE ID and no DNS name; write spiffe://TRUST-DOMAIN/PATH, or"
        " NAME.DOMAIN; of another URI: uri: …"),
    ),
    ("  - spiffe://example.org/ns/default/sa/client\n", "", "9: inbound[0].allow: expected a list of identities, found nothing"),
    (
        "allow:\n  - spiffe://example.org/ns/default/sa/client",
        "allow: []",
        "9: inbound[0].allow: is empty; name who may call, or remove the key to let in whoever the bundle vouches for",
    ),
    (
        "allow:\n  - spiffe://example.org/ns/default/sa/client",
        "allow: spiffe://example.org/a",
        "9: inbound[0].allow: expected a list of identities, found spiffe://example.org/a; put a dash before it",
    ),
    ("to: model.default.svc:8443", "to: model", "18: outbound[0].to: 'model' has no port; write HOST:PORT"),
    ("to: model.default.svc:8443", "to: https://model:1", "18: outbound[0].to: 'https://model:1' is a URL; write HOST:PORT"),
    ("to: model.default.svc:8443", "to: 2001:db8::1:1", "18: outbound[0].to: '2001:db8::1:1' is ambiguous; write [2001:db8::1]:1"),
    ("to: model.default.svc:8443", "to: a_b..c:1", "18: outbound[0].to: 'a_b..c' is no name and no address; write an address like model.default.svc:8443 or 10.0.0.7:8443"),
    ("certificates:", "drain: 5\ncertificates:", "1: drain: '5' is no time; write the unit: 5s"),
    ("certificates:", "drain: 5d\ncertificates:", "1: drain: '5d' is no time; write a time like 250ms, 5s or 1h30m"),
    ("certificates:", "drain: 9999h\ncertificates:", "1: drain: 9999h is out of range; write a time from 0s to 8760h"),
    ("certificates:", "concurrency: two\ncertificates:", "1: concurrency: expected a whole number from 1 to 256, found 'two'"),
    ("certificates:", "tracing: {sampling: 10%}\ncertificates:", "1: tracing.sampling: expected a percentage from 0 to 100, found '10%'; leave out the %"),
    (
        "certificates:",
        "tracing: {endpoint: 'https://x/v1/traces'}\ncertificates:",
        "1: tracing.endpoint: 'https://x/v1/traces' is https, which is not spoken here; send to a collector beside it, by http",
    ),
    (
        "certificates:",
        "tracing: {endpoint: 'http://x:0/v1/traces'}\ncertificates:",
        "1: tracing.endpoint: 'http://x:0/v1/traces' has no such host or port; write a URL like http://localhost:4318/v1/traces",
    ),
    ("certificates:", "accessLog: {path: /a, maxBytes: 100m}\ncertificates:", "1: accessLog.maxBytes: 100m is a part of a byte; did you mean 100M?"),
    ("certificates:", "accessLog: {path: /a, maxBytes: 1}\ncertificates:", "1: accessLog.maxBytes: 1 is out of range; write a size from 64Ki to 1024Gi"),
    ("certificates:", "accessLog: {}\ncertificates:", "1: accessLog.path: is missing; write path like /var/log/agent/access.log"),
    ("certificates:", "access_log: {path: /a}\ncertificates:", "1: access_log: unknown key; did you mean accessLog?"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), SINGLE_VALUES, ids=[row[2] for row in SINGLE_VALUES])
def test_a_value_that_cannot_be_is_refused(old: str, new: str, said: str) -> None:
    assert said in refusal(changed(old, new))


ROUTES = [
    (of_route("{prefix: v1}"), "12: inbound[0].routes[0].match.prefix: 'v1' can never match: a path begins with /; write /v1"),
    (of_route("{exact: '/a?b=c'}"), "12: inbound[0].routes[0].match.exact: '/a?b=c' can never match: what follows ? is no part of the path; leave it out"),
    (of_route("{exact: /a b}"), "12: inbound[0].routes[0].match.exact: '/a b' can never match: such characters come percent-encoded; write them as %20, %C3%A4"),
    (of_route("{prefix: /a//b}"), "12: inbound[0].routes[0].match.prefix: '/a//b' can never match: requests' //, /./ and /../ are resolved first; write it resolved"),
    (of_route("{regex: '(a'}"), "12: inbound[0].routes[0].match.regex: '(a' is no regular expression of RE2: missing closing )"),
    (of_route("{regex: '(?=a)'}"), "12: inbound[0].routes[0].match.regex: '(?=a)' is no regular expression of RE2: invalid or unsupported Perl syntax"),
    (of_route(r"{regex: '/\x{100}'}"), r"12: inbound[0].routes[0].match.regex: '/\\x{100}' has characters beyond ASCII, and Envoy matches bytes; write them as \xNN"),
    (of_route("{prefix: /a, regex: /b}"), "12: inbound[0].routes[0].match.regex: stands beside prefix; write one of them"),
    (of_route("{methods: [post]}"), "12: inbound[0].routes[0].match.methods[0]: 'post' is no method in capitals; write it like POST"),
    (of_route("{methods: [CONNECT]}"), "12: inbound[0].routes[0].match.methods: CONNECT can never match: it has no path; leave it out"),
    (of_route("{headers: [{name: a}]}"), "12: inbound[0].routes[0].match.headers[0]: says nothing; write exact, prefix, regex or present"),
    (of_route("{headers: [{name: ':path', exact: /}]}"), "12: inbound[0].routes[0].match.headers[0].name: ':path' is no header name; write it like x-model"),
    (of_route("{hosts: ['a:80']}"), "12: inbound[0].routes[0].match.hosts[0]: 'a:80' is no host name without a port; write it like agent.example.org or *.example.org"),
    (of_route("{headers: [{name: a, exact: x}, {name: A, exact: y}]}"), "12: inbound[0].routes[0]: can never match: two conditions on the header a exclude each other; remove one of them"),
    (of_route("{prefix: /}"), "14: inbound[0].routes[1]: matches the same requests as inbound[0].routes[0] (line 12); remove one of them"),
    (of_route("{regex: /.*}"), "14: inbound[0].routes[1]: can never match: all its requests go to inbound[0].routes[0] (line 12); put it above that one"),
    (with_key("match: {prefix: /v1/x, methods: [GET]}"), "14: inbound[0].routes[1]: can never match: all its requests go to inbound[0].routes[0] (line 12); put it above that one"),
    (with_key("name: route-1"), "15: inbound[0].routes[1].name: 'route-1' is the name of inbound[0].routes[0] too (line 12); give each its own"),
    (with_key("protocol: grpc"), "15: inbound[0].routes[1].protocol: 'grpc' is not known here; write http2"),
    (with_key("rewrite: {}"), "15: inbound[0].routes[1].rewrite: says nothing; write prefix or host"),
    (with_key("match: {regex: /a.*}\n    rewrite: {prefix: /}"), "16: inbound[0].routes[1].rewrite: prefix has no meaning with match.regex; match a prefix or an exact path"),
    (with_key("maxRequestBytes: 1Mi\n    websocket: true"), "16: inbound[0].routes[1].websocket: cannot be had with maxRequestBytes: the request would be read to its end first; remove one"),
    (with_key("retries: {attempts: 2, on: [foo-failure]}"), "15: inbound[0].routes[1].retries.on[0]: 'foo-failure' is not known here; did you mean connect-failure?"),
    (with_key("retries: {attempts: 2, on: [retriable-status-codes]}"), "15: inbound[0].routes[1].retries.on[0]: 'retriable-status-codes' is not known here; write 5xx, gateway-error or retriable-4xx"),
    (with_key("retries: {attempts: 2, perTryTimeout: 1s}"), "15: inbound[0].routes[1].retries.perTryTimeout: would not repeat a request that takes longer: no condition says so; add 5xx, gateway-error or reset to on"),
    (with_key("timeout: 1s\n    retries: {attempts: 2, on: [reset], perTryTimeout: 2s}"), "16: inbound[0].routes[1].retries: perTryTimeout is longer than the route's timeout: nothing would be tried again; shorten it"),
    (with_key("rateLimit: {requests: 5, per: 10ms}"), "15: inbound[0].routes[1].rateLimit.per: 10ms is out of range; write a time from 50ms to 8760h"),
    (with_key("rateLimit: {requests: 5, per: 1s, burst: 2}"), "15: inbound[0].routes[1].rateLimit.burst: is less than requests (5): that many would never get through; make it that or more"),
    (with_key("cors: {origins: ['*'], credentials: true}"), "15: inbound[0].routes[1].cors.credentials: would let any site act for its visitors: an origin is *; name the origins"),
    (with_key("cors: {origins: [app.example.org]}"), "15: inbound[0].routes[1].cors.origins: 'app.example.org' can never match: an origin has a scheme; write https://app.example.org"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ROUTES, ids=[row[1] for row in ROUTES])
def test_a_route_that_cannot_be_is_refused(text: str, said: str) -> None:
    assert refusal(text) == [said]


WHOLE = [
    ("port: 8443", "port: 15000", "6: inbound[0].port: 15000 is ports.admin, unless it is set; choose another one"),
    ("port: 9001", "port: 8443", "17: outbound[0].port: 8443 is inbound[0].port too (line 6); choose another one"),
    (
        "certificates:",
        "ports: {admin: 15020}\ncertificates:",
        "1: ports.admin: 15020 is ports.metrics, unless it is set; choose another one",
    ),
    ("name: model", "name: agent", "16: outbound[0].name: 'agent' is the name of inbound[0] too (line 5); give each its own"),
    ("certificate: agent", "certificate: agnet", "8: inbound[0].certificate: there is no certificate 'agnet'; did you mean agent?"),
    ("  certificate: agent\n  allow", "  allow", "5: inbound[0].certificate: is missing with tls: mutual; write certificate: NAME, one of agent"),
    (
        "folder: /tls",
        "bundle: /b",
        "8: inbound[0].certificate: 'agent' has a bundle only, and tls: mutual shows a certificate; give it chain and key",
    ),
    (
        "folder: /tls",
        "chain: /c\n  key: /k",
        ("9: inbound[0].certificate: 'agent' has no bundle, and tls: mutual checks the other side's certificate; give it"
        " bundle: the authorities, PEM"),
    ),
    ("tls: mutual", "tls: none", "8: inbound[0].certificate: has no effect with tls: none; set tls or remove it"),
    ("tls: mutual", "tls: none", "9: inbound[0].allow: nobody has an identity with tls: none; set tls: mutual, or remove allow"),
    ("tls: mutual", "tls: simple", "9: inbound[0].allow: nobody has an identity with tls: simple; set tls: mutual, or remove allow"),
    ("to: 8000", "to: 8443", "13: inbound[0].routes[0].to: 8443 is this listener's own port: requests would come back; write the agent's port"),
    ("to: 8000", "to: 9001", "13: inbound[0].routes[0].to: 9001 is the port of outbound model: requests would come back to the proxy; write the agent's port"),
    ("to: 8000", "to: 15000", "13: inbound[0].routes[0].to: 15000 is Envoy's admin port: who calls it can stop the proxy; write the agent's port"),
    ("to: model.default.svc:8443", "to: localhost:9001", "18: outbound[0].to: 9001 is the port of outbound model: requests would come back; write where they shall go"),
    ("to: model.default.svc:8443", "to: 127.0.0.1:8443", "18: outbound[0].to: 8443 is the port of inbound agent: requests would come back; write where they shall go"),
    ("to: model.default.svc:8443", "to: LOCALHOST:15000", "18: outbound[0].to: 15000 is Envoy's admin port: what the agent passes on could stop the proxy; write where they shall go"),
    ("to: model.default.svc:8443", "to: 127.8.0.1:15020", "18: outbound[0].to: 15020 is ports.metrics, of the proxy itself; write where they shall go"),
    ("to: model.default.svc:8443", "to: 0.0.0.0:15021", "18: outbound[0].to: 15021 is ports.health, of the proxy itself; write where they shall go"),
    ("to: model.default.svc:8443", 'to: "[::ffff:127.0.0.1]:15000"', "18: outbound[0].to: 15000 is Envoy's admin port: what the agent passes on could stop the proxy; write where they shall go"),
    (
        "  expect:\n  - spiffe://example.org/ns/default/sa/model\n",
        "",
        ("16: outbound[0].expect: is missing: with tls: mutual anyone whom the bundle vouches for could answer; name who"
        " the other side must be, or write serverName"),
    ),
    (
        "to: model.default.svc:8443\n  certificate: agent\n  expect:\n  - spiffe://example.org/ns/default/sa/model\n",
        "to: 10.0.0.7:8443\n  tls: simple\n  certificate: agent\n",
        "16: outbound[0].serverName: is missing: 10.0.0.7 is no name to check the certificate by; write serverName, or expect",
    ),
    (
        "  certificate: agent\n  expect",
        "  tls: none\n  expect",
        "20: outbound[0].expect: has no effect with tls: none; set tls or remove it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), WHOLE, ids=[row[2] for row in WHOLE])
def test_what_does_not_fit_together_is_refused(old: str, new: str, said: str) -> None:
    assert said in refusal(changed(old, new))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "1: says nothing; write inbound, outbound or both"),
        ("# only\n", "1: says nothing; write inbound, outbound or both"),
        ("concurrency: 1\n", "1: there is nothing to do; write inbound, outbound or both"),
        ("- a\n", "1: expected a mapping with certificates, inbound, outbound…, found a list"),
        (GOOD + "---\na: 1\n", "23: there is a second document; remove it and the --- above it"),
        (
            "inbound: [\n",
            "2: did not find expected node content; look at the brackets, quotes and indentation of this line and of the one above",
        ),
        ("drain: 1s\ndrain: 2s\n", "2: drain: duplicate field; it is already set on line 1"),
        ("drain: *a\n", "1: drain: *a refers to nothing; write &a on something before it"),
    ],
)
def test_a_text_that_is_no_configuration_is_refused(text: str, said: str) -> None:
    assert said in refusal(text)


def test_everything_that_is_wrong_is_said_at_once_and_in_order() -> None:
    text = (
        changed("tls: mutual", "tls: mtls")
        .replace("certificate: agent", "certificate: agnet")
        .replace("to: 8000", "to: x")
    )
    assert [line.split(": ")[:2] for line in refusal(text)] == [
        ["7", "inbound[0].tls"],
        ["8", "inbound[0].certificate"],
        ["13", "inbound[0].routes[0].to"],
        ["19", "outbound[0].certificate"],
    ]


def test_what_follows_from_a_fault_is_no_fault_of_its_own() -> None:
    assert refusal(changed("  certificate: agent\n  allow", "  certifcate: agent\n  allow")) == [
        "8: inbound[0].certifcate: unknown key; did you mean certificate?"
    ]


def test_two_listeners_may_share_a_port_on_two_addresses() -> None:
    second = "- {name: two, port: 8443, address: 10.0.0.2, tls: none, routes: [{to: 8000}]}\noutbound:"
    assert refusal(changed("outbound:", second)) == [
        "15: inbound[1].port: 8443 is inbound[0].port too (line 6); choose another one"
    ]
    assert (
        refusal(changed("outbound:", second).replace("port: 8443\n", "port: 8443\n  address: 10.0.0.1\n"))
        == []
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{prefix: /a}", "{prefix: /ab}"),
        ("{prefix: /a/}", "{exact: /a}"),
        ("{exact: /a}", "{prefix: /a}"),
        ("{methods: [GET]}", "{}"),
        ("{methods: [GET]}", "{methods: [GET, POST]}"),
        ("{hosts: [a.b]}", "{hosts: [a.b, c.d]}"),
        ("{hosts: ['*.a.b']}", "{hosts: [a.b]}"),
        ("{headers: [{name: a, prefix: xy}]}", "{headers: [{name: a, prefix: x}]}"),
        ("{headers: [{name: a, present: true}]}", "{headers: [{name: a, present: false}]}"),
        ("{headers: [{name: a, regex: x}]}", "{headers: [{name: b, regex: x}]}"),
    ],
)
def test_a_route_that_an_earlier_one_leaves_something_is_good(earlier: str, later: str) -> None:
    assert refusal(of_route(earlier).replace("  - to: 8001\n", f"  - to: 8001\n    match: {later}\n")) == []


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{prefix: /a}", "{exact: /a}"),
        ("{prefix: /a/}", "{prefix: /a/b}"),
        ("{regex: '/x+'}", "{regex: '/x+', methods: [GET]}"),
        ("{hosts: ['*.a.b']}", "{hosts: [c.a.b, '*.d.a.b']}"),
        ("{headers: [{name: a, prefix: x}]}", "{headers: [{name: a, prefix: xy}, {name: b, present: true}]}"),
        ("{headers: [{name: a, present: true}]}", "{headers: [{name: a, regex: x}]}"),
        ("{methods: [GET, POST]}", "{methods: [GET]}"),
    ],
)
def test_a_route_that_an_earlier_one_leaves_nothing_is_refused(earlier: str, later: str) -> None:
    text = of_route(earlier).replace("  - to: 8001\n", f"  - to: 8001\n    match: {later}\n")
    assert [line.split(": ")[1:3] for line in refusal(text)] == [["inbound[0].routes[1]", "can never match"]]
