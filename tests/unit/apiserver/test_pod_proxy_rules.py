"""Where a request to a pod's proxy goes, and what of its head passes."""

from __future__ import annotations

from typing import Any

import pytest

from pillion.apiserver.statuses import ApiError
from pillion.apiserver.streams.nodemetrics import kubelet_page, resource_page
from pillion.apiserver.streams.podlocation import Location, locate
from pillion.apiserver.streams.proxyheaders import request_headers, response_headers, rewrite_link

Tree = dict[str, Any]

BASE = "/api/v1/namespaces/default/pods"


def pod(ip: str = "10.88.0.2", *ports: int) -> Tree:
    containers = [{"name": "first"}, {"name": "main", "ports": [{"containerPort": p} for p in ports]}]
    return {"spec": {"containers": containers}, "status": {"podIPs": [{"ip": ip}]}}


def at(name: str, rest: str = "", *, slash: str = "", of: Tree | None = None) -> Location:
    """For `…/pods/NAME/proxy[/REST][SLASH]`, as the API server reads it."""
    path = f"{BASE}/{name}/proxy" + (f"/{rest}" if rest else "") + slash
    return locate(of or pod(), name, rest, path)


@pytest.mark.parametrize(
    ("name", "of", "where"),
    [
        ("p", pod("10.88.0.2"), ("10.88.0.2", 80, False, "10.88.0.2")),
        ("p", pod("10.88.0.2", 8000, 9000), ("10.88.0.2", 8000, False, "10.88.0.2:8000")),
        ("p:9000", pod("10.88.0.2", 8000), ("10.88.0.2", 9000, False, "10.88.0.2:9000")),
        ("https:p:8443", pod(), ("10.88.0.2", 8443, True, "10.88.0.2:8443")),
        ("https:p:", pod(), ("10.88.0.2", 443, True, "10.88.0.2")),
        ("http:p:1", pod("fd00::2"), ("fd00::2", 1, False, "[fd00::2]:1")),
    ],
)
def test_the_name_says_scheme_and_port(name: str, of: Tree, where: tuple[object, ...]) -> None:
    found = at(name, of=of)
    assert (found.ip, found.port, found.is_tls, found.authority) == where


@pytest.mark.parametrize(
    ("name", "of", "why"),
    [
        ("ftp:p:1", pod(), 'invalid pod request "ftp:p:1"'),
        ("http:p:1:2", pod(), 'invalid pod request "http:p:1:2"'),
        ("p:web", pod(), 'invalid pod request "p:web": the port must be a number between 1 and 65535'),
        ("p:65536", pod(), 'invalid pod request "p:65536": the port must be a number between 1 and 65535'),
        ("p", {"spec": {"containers": []}}, "address not allowed"),
        ("p", pod("127.0.0.1"), "address not allowed"),
        ("p", pod("169.254.169.254"), "address not allowed"),
        ("p", pod("::1"), "address not allowed"),
    ],
)
def test_what_is_not_a_pods_server_is_refused(name: str, of: Tree, why: str) -> None:
    with pytest.raises(ApiError) as refusal:
        at(name, of=of)
    assert (refusal.value.code, refusal.value.reason, refusal.value.message) == (400, "BadRequest", why)


@pytest.mark.parametrize(
    ("rest", "slash", "path", "target", "uri"),
    [
        ("", "", "", "/", f"{BASE}/p/proxy/"),
        ("", "/", "/", "/", f"{BASE}/p/proxy/"),
        ("a/b", "", "/a/b", "/a/b", f"{BASE}/p/proxy/a/b"),
        ("a/b", "/", "/a/b/", "/a/b/", f"{BASE}/p/proxy/a/b/"),
        ("a b/ü", "", "/a b/ü", "/a%20b/%C3%BC", f"{BASE}/p/proxy/a b/ü"),
        ("../../x", "", "/x", "/x", f"{BASE}/x"),
    ],
)
def test_the_path_below_is_the_pods(rest: str, slash: str, path: str, target: str, uri: str) -> None:
    found = at("p", rest, slash=slash)
    assert (found.path, found.target, found.forwarded_uri) == (path, target, uri)


@pytest.mark.parametrize(
    ("link", "seen"),
    [
        ("/login", f"{BASE}/p:8000/proxy/login"),
        ("/login/?next=%2F#x", f"{BASE}/p:8000/proxy/login/?next=%2F#x"),
        ("http://10.88.0.2:8000/login", f"{BASE}/p:8000/proxy/login"),
        ("https://127.0.0.1:6443/login", f"https://127.0.0.1:6443{BASE}/p:8000/proxy/login"),
        (f"{BASE}/p:8000/proxy/login", f"{BASE}/p:8000/proxy/login"),
        ("login", "login"),
        ("https://example.com/login", "https://example.com/login"),
        ("http://[broken/", "http://[broken/"),
    ],
)
def test_links_to_the_pods_own_server_lead_through_the_proxy(link: str, seen: str) -> None:
    assert rewrite_link(link, at("p:8000", "a"), "127.0.0.1:6443") == seen


def test_a_pod_never_sees_the_clients_token_but_who_it_is() -> None:
    scope = {
        "client": ("127.0.0.1", 5),
        "headers": [
            (b"host", b"127.0.0.1:6443"),
            (b"authorization", b"Bearer secret"),
            (b"connection", b"keep-alive, X-Mine"),
            (b"keep-alive", b"timeout=5"),
            (b"te", b"trailers, deflate"),
            (b"transfer-encoding", b"chunked"),
            (b"x-forwarded-for", b"192.0.2.1"),
            (b"x-mine", b"1"),
            (b"x-yours", b"2"),
        ],
    }
    assert request_headers(scope) == [
        (b"host", b"127.0.0.1:6443"),
        (b"x-yours", b"2"),
        (b"te", b"trailers"),
        (b"transfer-encoding", b"chunked"),
        (b"x-forwarded-for", b"192.0.2.1, 127.0.0.1"),
    ]


def test_of_an_answer_what_is_between_two_hops_and_cors_stay_behind() -> None:
    theirs = [
        (b"date", b"then"),
        (b"connection", b"close"),
        (b"transfer-encoding", b"chunked"),
        (b"access-control-allow-origin", b"*"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"location", b"/x"),
    ]
    assert response_headers(theirs, at("p"), "h") == [
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"location", f"{BASE}/p/proxy/x".encode()),
    ]


def test_the_summary_for_prometheus() -> None:
    used = {
        "cpu": {"time": "1970-01-01T00:00:10Z", "usageCoreNanoSeconds": 2_500_000_000},
        "memory": {"time": "1970-01-01T00:00:10Z", "workingSetBytes": 7},
    }
    main = {"name": "main", "startTime": "1970-01-01T00:00:05Z", **used}
    new = {"name": "new", "startTime": "1970-01-01T00:00:09Z"}
    one = {"podRef": {"name": "p", "namespace": "shop", "uid": "u"}, "containers": [main, new]}
    summary = {"node": {"nodeName": "here", **used}, "pods": [one]}
    kubelet, resource = (page(summary).decode().splitlines() for page in (kubelet_page, resource_page))
    assert [line for line in kubelet if not line.startswith("#")] == [
        'kubelet_node_name{node="here"} 1',
        'kubelet_running_containers{container_state="running"} 2',
        "kubelet_running_pods 1",
    ]
    assert [line for line in resource if not line.startswith("#")] == [
        'container_cpu_usage_seconds_total{container="main",namespace="shop",pod="p"} 2.5 10000',
        'container_memory_working_set_bytes{container="main",namespace="shop",pod="p"} 7 10000',
        "node_cpu_usage_seconds_total 2.5 10000",
        "node_memory_working_set_bytes 7 10000",
        'container_start_time_seconds{container="main",namespace="shop",pod="p"} 5.0',
        'container_start_time_seconds{container="new",namespace="shop",pod="p"} 9.0',
        "resource_scrape_error 0",
    ]
    assert "# TYPE node_cpu_usage_seconds_total counter" in resource
