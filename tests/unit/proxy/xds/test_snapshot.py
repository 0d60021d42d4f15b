"""What Envoy is told of a configuration, before Envoy sees it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from pillion.errors import ManifestError
from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import (
    Certificate,
    Configuration,
    Cors,
    HeaderMatch,
    Identity,
    Inbound,
    Match,
    Outbound,
    RateLimit,
    Retries,
    Rewrite,
    Route,
    StringMatch,
    Tls,
    Tracing,
)
from pillion.proxy.xds import bootstrap, files, snapshot, validation_bootstrap
from pillion.proxy.xds.messages import duration
from pillion.proxy.xds.snapshot import Resource, Snapshot
from pillion.proxy.xds.statistics import KEPT

MATERIALS = {"agent": Material(name="agent", chain_pem="CHAIN", key_pem="KEY", bundle_pem="BUNDLE")}
CALLER = Identity(uri=StringMatch(exact="spiffe://lab/ns/default/sa/caller"))
ROUTE = Route(name="all", match=Match(), to=8080)
INBOUND = Inbound(name="https", port=8443, tls=Tls.MUTUAL, certificate="agent", routes=(ROUTE,))
OUTBOUND = Outbound(name="search", port=9001, to=("search", 8443), certificate="agent", expect=(CALLER,))
BASE = Configuration(
    file="proxy.yaml",
    certificates=(Certificate(name="agent", chain="tls.crt", key="tls.key", line=3),),
    inbound=(INBOUND,),
    outbound=(OUTBOUND,),
)


def told(route: dict[str, Any] | None = None, **inbound: Any) -> Snapshot:
    routes = (msgspec.structs.replace(ROUTE, **(route or {})),)
    changed = msgspec.structs.replace(INBOUND, **{"routes": routes, **inbound})
    return snapshot(msgspec.structs.replace(BASE, inbound=(changed,)), MATERIALS)


def routes_of(made: Snapshot, name: str = "inbound-https") -> list[Resource]:
    found: list[Resource] = made.routes[name]["virtual_hosts"][0]["routes"]
    return found


def manager_of(made: Snapshot, name: str = "inbound-https", chain: int = 0) -> Resource:
    found: Resource = made.listeners[name]["filter_chains"][chain]["filters"][-1]["typed_config"]
    return found


def socket_of(made: Snapshot) -> Resource:
    found: Resource = made.listeners["inbound-https"]["filter_chains"][0]["transport_socket"]["typed_config"]
    return found


def outbound_told(**changes: Any) -> Snapshot:
    return snapshot(
        msgspec.structs.replace(BASE, outbound=(msgspec.structs.replace(OUTBOUND, **changes),)), MATERIALS
    )


class TestFiles:
    def test_the_same_is_told_in_the_same_bytes(self) -> None:
        assert files(told(), "/run/x") == files(told(), "/run/x")
        assert bootstrap(BASE, "/run/x") == bootstrap(BASE, "/run/x")

    def test_what_is_referred_to_is_written_first(self) -> None:
        assert list(files(snapshot(BASE, MATERIALS), "/run/x")) == [
            "sds-agent.bundle.json",
            "sds-agent.certificate.json",
            "cds.json",
            "rds-inbound-https.json",
            "rds-outbound-search.json",
            "lds.json",
        ]

    @pytest.mark.parametrize(
        ("changed", "file"),
        [
            ({"match": Match(prefix="/v1")}, "rds-inbound-https.json"),
            ({"allow": (CALLER,)}, "rds-inbound-https.json"),
            ({"rate_limit": RateLimit(requests=1, per=1.0, burst=1)}, "rds-inbound-https.json"),
            ({"max_request_bytes": 10}, "rds-inbound-https.json"),
            ({"cors": Cors(origins=(StringMatch(exact="https://a"),))}, "rds-inbound-https.json"),
            ({"websocket": False}, "rds-inbound-https.json"),
        ],
    )
    def test_a_changed_route_changes_its_file_only(self, changed: dict[str, Any], file: str) -> None:
        before, after = files(told(), "/x"), files(told(changed), "/x")
        assert {name for name in before if before[name] != after[name]} == {file}

    def test_a_new_certificate_changes_its_file_only(self) -> None:
        renewed = msgspec.structs.replace(MATERIALS["agent"], chain_pem="NEW", key_pem="NEW")
        before, after = files(told(), "/x"), files(snapshot(BASE, {"agent": renewed}), "/x")
        assert {name for name in before if before[name] != after[name]} == {"sds-agent.certificate.json"}

    def test_a_version_is_of_the_content(self) -> None:
        one, other = (
            msgspec.json.decode(files(made, "/x")["rds-inbound-https.json"])["version_info"]
            for made in (told(), told({"timeout": 1.0}))
        )
        assert re.fullmatch("[0-9a-f]{16}", one)
        assert one != other

    def test_a_key_is_in_its_own_file_only(self) -> None:
        made = files(snapshot(BASE, MATERIALS), "/x")
        assert [name for name, content in made.items() if b"KEY" in content] == ["sds-agent.certificate.json"]
        assert b"KEY" not in bootstrap(BASE, "/x")

    def test_the_folder_stands_before_every_file(self) -> None:
        made = b"".join([*files(snapshot(BASE, MATERIALS), "/run/x").values(), bootstrap(BASE, "/run/x")])
        paths = re.findall(rb'"path_config_source":\{"path":"([^"]*)"', made)
        assert len(paths) >= 6
        assert all(path.startswith(b"/run/x/") for path in paths)

    def test_the_check_needs_no_files(self) -> None:
        made = validation_bootstrap(BASE, snapshot(BASE, MATERIALS))
        assert b"path_config_source" not in made
        assert b"KEY" in made
        assert b'"route_config":{' in made


class TestCertificates:
    def test_only_what_is_asked_for_is_told(self) -> None:
        simple = msgspec.structs.replace(INBOUND, tls=Tls.SIMPLE)
        made = snapshot(Configuration(file="f", inbound=(simple,)), MATERIALS)
        assert set(made.secrets) == {"agent.certificate"}

    @pytest.mark.parametrize(("missing", "part"), [("bundle_pem", "bundle"), ("chain_pem", "certificate")])
    def test_a_part_that_is_missing_is_never_left_out(self, missing: str, part: str) -> None:
        material = msgspec.structs.replace(MATERIALS["agent"], **{missing: ""})
        with pytest.raises(ManifestError, match=rf"proxy.yaml:3: certificates.agent: there is no {part}"):
            snapshot(BASE, {"agent": material})

    @pytest.mark.parametrize(
        ("tls", "required", "chains"),
        [(Tls.SIMPLE, None, 1), (Tls.MUTUAL, True, 1), (Tls.PERMISSIVE, False, 2)],
    )
    def test_a_listener_asks_for_what_its_mode_says(
        self, tls: Tls, required: bool | None, chains: int
    ) -> None:
        made = told(tls=tls)
        assert len(made.listeners["inbound-https"]["filter_chains"]) == chains
        assert socket_of(made).get("require_client_certificate") is required
        assert ("combined_validation_context" in socket_of(made)["common_tls_context"]) is (
            tls is not Tls.SIMPLE
        )

    def test_a_plain_listener_has_no_tls(self) -> None:
        assert "transport_socket" not in told(tls=Tls.NONE).listeners["inbound-https"]["filter_chains"][0]

    @pytest.mark.parametrize("tls", [Tls.MUTUAL, Tls.PERMISSIVE])
    def test_a_session_is_never_resumed_past_the_end_of_a_certificate(self, tls: Tls) -> None:
        socket = socket_of(told(tls=tls))
        assert socket["disable_stateless_session_resumption"] is True
        assert socket["disable_stateful_session_resumption"] is True

    @pytest.mark.parametrize(
        ("age", "idle"), [(0.0, "3600s"), (60.0, "60s"), (7200.0, "3600s")], ids=["none", "short", "long"]
    )
    def test_no_connection_is_idle_for_longer_than_its_age(self, age: float, idle: str) -> None:
        manager = manager_of(told(max_connection_age=age))
        options = manager["common_http_protocol_options"]
        assert options.get("max_connection_duration") == (duration(age) if age else None)
        assert manager.get("http1_safe_max_connection_duration", False) is bool(age)
        assert options["idle_timeout"] == idle

    def test_callers_are_asked_for_in_the_handshake_by_the_kind_of_their_name(self) -> None:
        by_dns = Identity(dns=StringMatch(regex=r".*\.lab"))
        context = socket_of(told(allow=(CALLER, by_dns)))["common_tls_context"]["combined_validation_context"]
        assert context["default_validation_context"]["match_typed_subject_alt_names"] == [
            {"san_type": "URI", "matcher": {"exact": "spiffe://lab/ns/default/sa/caller"}},
            {"san_type": "DNS", "matcher": {"safe_regex": {"regex": r".*\.lab"}}},
        ]

    def test_a_permissive_listener_asks_for_callers_with_the_request(self) -> None:
        made = told(tls=Tls.PERMISSIVE, allow=(CALLER,))
        context = socket_of(made)["common_tls_context"]["combined_validation_context"]
        assert context["default_validation_context"]["match_typed_subject_alt_names"] == []
        for chain in (0, 1):
            names = [one["name"] for one in manager_of(made, chain=chain)["http_filters"]]
            assert "pillion.callers" in names

    @pytest.mark.parametrize(
        ("tls", "details"),
        [(Tls.NONE, "SANITIZE"), (Tls.SIMPLE, "SANITIZE"), (Tls.MUTUAL, "SANITIZE_SET")],
    )
    def test_a_caller_is_named_by_its_certificate_only(self, tls: Tls, details: str) -> None:
        assert manager_of(told(tls=tls))["forward_client_cert_details"] == details


class TestRoutes:
    @pytest.mark.parametrize(
        ("match", "expected"),
        [
            (Match(), {"prefix": "/"}),
            (Match(prefix="/v1"), {"path_separated_prefix": "/v1"}),
            (Match(prefix="/v1/"), {"prefix": "/v1/"}),
            (Match(prefix=None, exact="/v1"), {"path": "/v1"}),
            (Match(prefix=None, regex="/v[0-9]"), {"safe_regex": {"regex": "/v[0-9]"}}),
            (
                Match(methods=("GET",)),
                {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]},
            ),
            (
                Match(headers=(HeaderMatch(name="a", value=StringMatch(present=False)),)),
                {"prefix": "/", "headers": [{"name": "a", "present_match": False}]},
            ),
        ],
    )
    def test_a_match_is_as_it_is_written(self, match: Match, expected: Resource) -> None:
        assert routes_of(told({"match": match}))[0]["match"] == expected

    @pytest.mark.parametrize(
        ("host", "matches"),
        [
            ("a.example", True),
            ("A.Example:8443", True),
            ("a.example.", True),
            ("a.example:", True),
            ("x.b.example:x:1", True),
            ("x.b.example", True),
            ("b.example", False),
            ("a.example.evil", False),
            ("axexample", False),
        ],
    )
    def test_hosts_are_names_of_any_case_and_port(self, host: str, matches: bool) -> None:
        made = told({"match": Match(hosts=("a.example", "*.b.example"))})
        pattern = routes_of(made)[0]["match"]["headers"][0]["string_match"]["safe_regex"]["regex"]
        assert bool(re.fullmatch(pattern, host)) is matches

    @pytest.mark.parametrize(
        ("match", "prefix", "path", "becomes"),
        [
            (Match(prefix="/v1"), "/v2", "/v1/x", "/v2/x"),
            (Match(prefix="/v1"), "/", "/v1/x", "/x"),
            (Match(prefix="/v1"), "/", "/v1", "/"),
            (Match(prefix="/"), "/api", "/x", "/api/x"),
            (Match(prefix="/v1/"), "/v2/", "/v1/x", "/v2/x"),
            (Match(prefix=None, exact="/old"), "/new", "/old", "/new"),
        ],
    )
    def test_a_rewritten_path_has_its_slashes_once(
        self, match: Match, prefix: str, path: str, becomes: str
    ) -> None:
        action = routes_of(told({"match": match, "rewrite": Rewrite(prefix=prefix)}))[0]["route"]
        if "regex_rewrite" in action:
            rewrite = action["regex_rewrite"]
            assert re.sub(rewrite["pattern"]["regex"], rewrite["substitution"], path) == becomes
        else:
            matched = match.exact or match.prefix or ""
            assert action["prefix_rewrite"] + path.removeprefix(matched) == becomes

    def test_no_route_has_a_timeout_of_its_own_accord(self) -> None:
        assert routes_of(told())[0]["route"]["timeout"] == "0s"

    def test_filters_are_off_but_for_routes_that_ask(self) -> None:
        plain, limited = told(), told({"max_request_bytes": 10})
        assert all(one.get("disabled") for one in manager_of(plain)["http_filters"][:-1])
        assert "typed_per_filter_config" not in routes_of(plain)[0]
        assert set(routes_of(limited)[0]["typed_per_filter_config"]) == {"envoy.filters.http.buffer"}

    def test_a_preflight_finds_the_policy_of_the_route_it_asks_for(self) -> None:
        cors = Cors(origins=(StringMatch(exact="https://a"),))
        post, options = routes_of(told({"match": Match(methods=("POST",)), "cors": cors}))
        assert options["match"]["headers"] == [
            {"name": ":method", "string_match": {"exact": "OPTIONS"}},
            {"name": "access-control-request-method", "string_match": {"exact": "POST"}},
            {"name": "origin", "present_match": True},
        ]
        assert options["typed_per_filter_config"] == post["typed_per_filter_config"]

    @pytest.mark.parametrize(
        ("limit", "interval", "tokens", "retry_after"),
        [
            (RateLimit(requests=10, per=1.0, burst=20), "1s", 10, "1"),
            (RateLimit(requests=1, per=60.0, burst=1), "60s", 1, "60"),
            (RateLimit(requests=1, per=0.01, burst=1), "0.05s", 5, "1"),
        ],
    )
    def test_a_bucket_is_never_filled_more_often_than_envoy_allows(
        self, limit: RateLimit, interval: str, tokens: int, retry_after: str
    ) -> None:
        made = routes_of(told({"rate_limit": limit}))[0]["typed_per_filter_config"]
        settings = made["envoy.filters.http.local_ratelimit"]
        assert settings["token_bucket"]["fill_interval"] == interval
        assert settings["token_bucket"]["tokens_per_fill"] == tokens
        assert settings["response_headers_to_add"][0]["header"]["value"] == retry_after

    def test_retries_are_those_that_are_asked_for(self) -> None:
        action = routes_of(told({"retries": Retries(attempts=2, per_try_timeout=0.5)}))[0]["route"]
        assert action["retry_policy"]["num_retries"] == 2
        assert action["retry_policy"]["retry_on"] == "connect-failure,refused-stream,reset-before-request"
        assert action["retry_policy"]["per_try_timeout"] == "0.5s"
        assert "retry_policy" not in routes_of(told())[0]["route"]

    def test_one_port_in_two_protocols_is_two_clusters(self) -> None:
        both = (ROUTE, msgspec.structs.replace(ROUTE, name="grpc", protocol="http2"))
        made = told(routes=both)
        assert {"local-8080", "local-8080-http2"} <= set(made.clusters)


class TestOutbound:
    @pytest.mark.parametrize(
        ("changes", "sni", "host"),
        [
            ({}, "search", "search:8443"),
            ({"to": ("api.example", 443)}, "api.example", "api.example"),
            ({"server_name": "other"}, "other", "other:8443"),
            ({"to": ("10.0.0.1", 443)}, None, "10.0.0.1"),
            ({"to": ("fd00::1", 8443)}, None, "[fd00::1]:8443"),
        ],
    )
    def test_the_other_side_is_called_by_its_name(
        self, changes: dict[str, Any], sni: str | None, host: str
    ) -> None:
        made = outbound_told(**changes)
        assert made.clusters["outbound-search"]["transport_socket"]["typed_config"].get("sni") == sni
        assert routes_of(made, "outbound-search")[0]["route"]["host_rewrite_literal"] == host

    def test_without_an_identity_the_name_is_checked(self) -> None:
        made = outbound_told(expect=(), tls=Tls.SIMPLE, certificate="")
        context = made.clusters["outbound-search"]["transport_socket"]["typed_config"]["common_tls_context"]
        assert context["validation_context"]["match_typed_subject_alt_names"] == [
            {"san_type": "DNS", "matcher": {"exact": "search"}}
        ]
        assert context["validation_context"]["trusted_ca"]["filename"]

    def test_strangers_cannot_use_up_its_connections(self) -> None:
        assert outbound_told().listeners["outbound-search"]["ignore_global_conn_limit"]
        assert "ignore_global_conn_limit" not in told().listeners["inbound-https"]

    def test_the_port_is_for_the_agent_only(self) -> None:
        address = outbound_told().listeners["outbound-search"]["address"]["socket_address"]
        assert address["address"] == "127.0.0.1"


class TestTraces:
    @pytest.mark.parametrize(
        ("sampling", "flags"), [(100.0, "-01"), (0.0, "-00"), (25.0, "-%REQ(x-pillion-flags)%")]
    )
    def test_a_trace_says_whether_it_is_sampled(self, sampling: float, flags: str) -> None:
        made = snapshot(msgspec.structs.replace(BASE, tracing=Tracing(sampling=sampling)), MATERIALS)
        parent = made.routes["inbound-https"]["virtual_hosts"][0]["request_headers_to_add"][0]
        assert parent["append_action"] == "ADD_IF_ABSENT"
        assert parent["header"]["value"].endswith(flags)
        assert "tracing" not in manager_of(made)

    def test_a_part_of_the_traces_is_drawn_within_one_route(self) -> None:
        made = snapshot(msgspec.structs.replace(BASE, tracing=Tracing(sampling=25.0)), MATERIALS)
        (route,) = routes_of(made)
        drawn = route["route"]["weighted_clusters"]["clusters"]
        assert [(one["name"], one["weight"]) for one in drawn] == [
            ("local-8080", 250_000),
            ("local-8080", 750_000),
        ]

    def test_spans_are_made_only_for_an_endpoint(self) -> None:
        tracing = Tracing(endpoint="http://collector:4318/v1/traces", sampling=10.0)
        made = snapshot(msgspec.structs.replace(BASE, tracing=tracing), MATERIALS)
        assert manager_of(made)["tracing"]["random_sampling"] == {"value": 10.0}
        assert "trace-collector" in made.clusters
        assert "request_headers_to_add" not in routes_of(made)[0]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("server.live", True),
        ("listener_manager.total_listeners_active", True),
        ("listener_manager.lds.version_text", True),
        ("cluster_manager.warming_clusters", True),
        ("cluster_manager.cds.update_rejected", True),
        ("names.rbac.denied", True),
        ("overload.envoy.resource_monitors.fixed_heap.pressure", True),
        ("http.inbound-a.rds.inbound-a.update_failure", True),
        ("sds.agent.certificate.version_text", True),
        ("http.inbound-a.downstream_rq_active", True),
        ("http.outbound-a.downstream_cx_active", True),
        ("http.inbound-a.downstream_cx_max_duration_reached", True),
        ("filesystem.write_failed", True),
        ("listener.inbound-a.ssl.fail_verify_san", True),
        ("cluster.local-8080.upstream_rq_time", True),
        ("http.admin.downstream_rq_active", False),
        ("cluster.local-8080.lb_zone_routing_all_directly", False),
        ("listener.inbound-a.worker_0.downstream_cx_total", False),
    ],
)
def test_statistics_that_are_read_are_kept(name: str, kept: bool) -> None:
    assert any(re.fullmatch(pattern, name) for pattern in KEPT) is kept


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (0.25, "0.25s"), (300.0, "300s"), (0.000001, "0.000001s"), (1e6, "1000000s")],
)
def test_a_duration_is_as_protobuf_writes_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text
