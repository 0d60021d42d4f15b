"""What an httpGet handler becomes on the wire (pkg/probe/http/request.go), and how names of ports resolve."""

from __future__ import annotations

import pytest

from pillion.node.probers.httpget import Purpose, UnknownPortError, build_request, resolve_port
from pillion.node.probers.spelling import quote
from pillion.plan.podplan import HttpGetHandler

PORTS = {"http": 8000, "metrics": 8001}


def build(**fields: object):
    handler = HttpGetHandler(**({"port": 8000} | fields))
    return build_request(handler, ip="10.0.0.5", ports=PORTS, purpose=Purpose.PROBE)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "http://10.0.0.5:8000/"),
        ({"path": "/healthz?full=1"}, "http://10.0.0.5:8000/healthz?full=1"),
        ({"path": "healthz"}, "http://10.0.0.5:8000/healthz"),
        ({"path": "/a b/ä"}, "http://10.0.0.5:8000/a%20b/%C3%A4"),
        ({"path": "/a%20b"}, "http://10.0.0.5:8000/a%20b"),
        ({"port": "metrics"}, "http://10.0.0.5:8001/"),
        ({"port": "9000"}, "http://10.0.0.5:9000/"),
        ({"host": "example.org"}, "http://example.org:8000/"),
        ({"host": "fd00::1"}, "http://[fd00::1]:8000/"),
        ({"scheme": "HTTPS"}, "https://10.0.0.5:8000/"),
    ],
)
def test_a_handler_names_its_url_as_the_kubelet_prints_it(fields: dict[str, object], url: str) -> None:
    assert build(**fields).url == url


@pytest.mark.parametrize(
    ("headers", "sent", "host"),
    [
        ((), (("User-Agent", "kube-probe/1.36"), ("Accept", "*/*")), ""),
        ((("accept", ""), ("user-agent", "")), (), ""),
        (
            (("Accept", "text/html"), ("User-Agent", "me")),
            (("Accept", "text/html"), ("User-Agent", "me")),
            "",
        ),
        ((("host", "a.b"), ("Accept", ""), ("User-Agent", "")), (), "a.b"),
        (
            (("x-tag", "1"), ("x-tag", "2"), ("Accept", ""), ("User-Agent", "")),
            (("X-Tag", "1"), ("X-Tag", "2")),
            "",
        ),
    ],
)
def test_default_headers_can_be_replaced_and_removed(headers: tuple, sent: tuple, host: str) -> None:
    request = build(headers=headers)
    assert (request.headers, request.host) == (sent, host)


@pytest.mark.parametrize(
    ("port", "message"),
    [
        ("nope", 'strconv.Atoi: parsing "nope": invalid syntax'),
        (0, "invalid port number: 0"),
        ("70000", "invalid port number: 70000"),
    ],
)
def test_a_port_that_is_none_is_refused(port: int | str, message: str) -> None:
    with pytest.raises(UnknownPortError) as caught:
        resolve_port(port, PORTS)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("plain ä", '"plain ä"'), ('a"b\\c', '"a\\"b\\\\c"'), ("\n\x01", '"\\n\\x01"')],
)
def test_text_is_quoted_as_go_quotes_it(text: str, quoted: str) -> None:
    assert quote(text) == quoted
