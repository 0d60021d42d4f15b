"""What Envoy is told, judged by Envoy: its check of a table of configurations, and files it takes while it runs."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.proxy_lab import Authority, Client, Envoy, echo, free_port, running, validated

from pillion.proxy.certificates.material import Material
from pillion.proxy.configuration.values import (
    AccessLog,
    CircuitBreaker,
    Configuration,
    Cors,
    HeaderMatch,
    Identity,
    Inbound,
    Match,
    Outbound,
    OutlierDetection,
    Ports,
    RateLimit,
    Retries,
    Rewrite,
    Route,
    StringMatch,
    Tls,
    Tracing,
)
from pillion.proxy.xds import snapshot
from pillion.proxy.xds.names import routes_file, secret_file

CALLER = Identity(uri=StringMatch(exact="spiffe://lab/ns/default/sa/caller"))
AGENT = Identity(uri=StringMatch(prefix="spiffe://lab/ns/default/"))
BY_DNS = Identity(dns=StringMatch(regex=r".*\.lab"))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def materials(authority: Authority) -> dict[str, Material]:
    return {"agent": authority.material("agent", uri="spiffe://lab/ns/default/sa/agent", dns="agent.lab")}


def with_inbound(*, tls: Tls = Tls.SIMPLE, allow: tuple[Identity, ...] = (), **changes: Any) -> Configuration:
    route = msgspec.structs.replace(Route(name="all", match=Match(), to=8080), **changes)
    inbound = Inbound(
        name="https",
        port=8443,
        tls=tls,
        certificate="" if tls is Tls.NONE else "agent",
        allow=allow,
        routes=(route,),
    )
    return Configuration(file="proxy.yaml", inbound=(inbound,))


def with_outbound(**changes: Any) -> Configuration:
    base = Outbound(
        name="search", port=9001, to=("search.default.svc", 8443), certificate="agent", expect=(CALLER,)
    )
    return Configuration(file="proxy.yaml", outbound=(msgspec.structs.replace(base, **changes),))


CONFIGURATIONS = {
    "nothing": Configuration(file="proxy.yaml"),
    "plain": with_inbound(tls=Tls.NONE),
    "simple": with_inbound(),
    "mutual": with_inbound(tls=Tls.MUTUAL),
    "mutual with callers": with_inbound(tls=Tls.MUTUAL, allow=(CALLER, AGENT, BY_DNS)),
    "permissive": with_inbound(tls=Tls.PERMISSIVE),
    "permissive with callers": with_inbound(tls=Tls.PERMISSIVE, allow=(CALLER,)),
    "prefix": with_inbound(match=Match(prefix="/v1")),
    "exact": with_inbound(match=Match(prefix=None, exact="/v1")),
    "regex": with_inbound(match=Match(prefix=None, regex="/v[0-9]+/.*")),
    "methods": with_inbound(match=Match(methods=("GET", "HEAD"))),
    "hosts": with_inbound(match=Match(hosts=("a.example", "*.b.example"))),
    "headers": with_inbound(
        match=Match(
            headers=(
                HeaderMatch(name="x-a", value=StringMatch(present=True)),
                HeaderMatch(name="x-b", value=StringMatch(present=False)),
                HeaderMatch(name="x-c", value=StringMatch(prefix="y")),
                HeaderMatch(name="x-d", value=StringMatch(regex="[a-z]+")),
            )
        )
    ),
    "timeouts": with_inbound(timeout=1.5, idle_timeout=0.0),
    "retries": with_inbound(retries=Retries(attempts=3, per_try_timeout=0.25)),
    "retries of gRPC": with_inbound(retries=Retries(attempts=1, on=("unavailable", "gateway-error"))),
    "rewritten prefix": with_inbound(match=Match(prefix="/v1"), rewrite=Rewrite(prefix="/", host="agent")),
    "rewritten root": with_inbound(rewrite=Rewrite(prefix="/api")),
    "request limit": with_inbound(max_request_bytes=1 << 20),
    "rate limit": with_inbound(rate_limit=RateLimit(requests=10, per=1.0, burst=20)),
    "fast rate limit": with_inbound(rate_limit=RateLimit(requests=1, per=0.01, burst=1)),
    "cors": with_inbound(
        match=Match(methods=("POST",)),
        cors=Cors(
            origins=(StringMatch(exact="https://a.example"), StringMatch(regex=r"https://.*\.b\.example")),
            methods=("POST",),
            headers=("content-type",),
            expose=("x-a",),
            max_age=600.0,
            credentials=True,
        ),
    ),
    "callers of a route": with_inbound(tls=Tls.MUTUAL, allow=(AGENT, BY_DNS)),
    "gRPC": with_inbound(protocol="http2"),
    "no WebSocket": with_inbound(websocket=False),
    "IPv6": msgspec.structs.replace(
        with_inbound(), inbound=(msgspec.structs.replace(with_inbound().inbound[0], address="::1"),)
    ),
    "access log": msgspec.structs.replace(with_inbound(), access_log=AccessLog(path="/dev/null")),
    "spans": msgspec.structs.replace(
        with_inbound(), tracing=Tracing(endpoint="http://localhost:4318/v1/traces")
    ),
    "spans over TLS": msgspec.structs.replace(
        with_inbound(), tracing=Tracing(endpoint="https://collector.example/v1/traces", sampling=12.5)
    ),
    "some traces": msgspec.structs.replace(with_inbound(), tracing=Tracing(sampling=0.1)),
    "no traces": msgspec.structs.replace(with_inbound(), tracing=Tracing(sampling=0.0)),
    "outbound mutual": with_outbound(),
    "outbound simple": with_outbound(tls=Tls.SIMPLE),
    "outbound to a public API": with_outbound(
        tls=Tls.SIMPLE, certificate="", expect=(), to=("api.example", 443)
    ),
    "outbound plain": with_outbound(tls=Tls.NONE, certificate="", expect=()),
    "outbound to an address": with_outbound(to=("10.0.0.1", 443)),
    "outbound to an IPv6 address": with_outbound(to=("fd00::1", 443)),
    "outbound http1": with_outbound(protocol="http1"),
    "outbound http2": with_outbound(protocol="http2"),
    "outbound plain http2": with_outbound(protocol="http2", tls=Tls.NONE, certificate="", expect=()),
    "outbound by server name": with_outbound(expect=(), server_name="other.example"),
    "outbound with all": with_outbound(
        timeout=10.0,
        retries=Retries(attempts=2, on=("5xx", "reset")),
        outlier=OutlierDetection(consecutive_errors=3),
        breaker=CircuitBreaker(connections=10, pending=5, requests=20, retries=1),
    ),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_envoy_has_nothing_to_say_against_it(
    name: str, materials: dict[str, Material], tmp_path: Path
) -> None:
    assert validated(CONFIGURATIONS[name], materials, tmp_path) == ""


BAD: dict[str, tuple[Configuration, str]] = {
    "a regex": (with_inbound(match=Match(prefix=None, regex="/(")), "missing ): /("),
    "a retry policy": (with_inbound(max_request_bytes=1 << 40), "max_request_bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_envoy_sees_what_is_wrong_inside_of_what_is_read_by_files(
    name: str, materials: dict[str, Material], tmp_path: Path
) -> None:
    configuration, words = BAD[name]
    assert words in validated(configuration, materials, tmp_path)


def test_envoy_sees_a_key_that_is_none(materials: dict[str, Material], tmp_path: Path) -> None:
    broken = msgspec.structs.replace(materials["agent"], key_pem="no key\n")
    assert "private key" in validated(with_inbound(), {"agent": broken}, tmp_path)


def certificates_taken(number: int) -> Callable[[dict[str, int]], bool]:
    return lambda found: found["sds.agent.certificate.update_success"] == number


class Lab:
    """A proxy in front of an agent, and what it was told."""

    def __init__(
        self, authority: Authority, materials: dict[str, Material], folder: Path, agent: int
    ) -> None:
        self.authority = authority
        self.materials = dict(materials)
        self.folder = folder
        self.agent = agent
        self.inbound = Inbound(name="https", port=free_port(), tls=Tls.SIMPLE, certificate="agent", routes=())
        self.configuration = Configuration(
            file="proxy.yaml",
            ports=Ports(admin=free_port()),
            access_log=AccessLog(path=str(folder / "access.log")),
        )
        self.envoy: Envoy
        self.clients: list[Client] = []

    def told(self, *routes: Route, **changes: Any) -> Configuration:
        inbound = msgspec.structs.replace(self.inbound, routes=routes, **changes)
        return msgspec.structs.replace(self.configuration, inbound=(inbound,))

    def route(self, prefix: str = "/", **changes: Any) -> Route:
        base = Route(name=prefix.strip("/") or "all", match=Match(prefix=prefix), to=self.agent)
        return msgspec.structs.replace(base, **changes)

    def client(self, shows: Material | None = None) -> Client:
        self.clients.append(
            Client(self.inbound.port, bundle=self.authority.pem, shows=shows, folder=self.folder)
        )
        return self.clients[-1]


@pytest.fixture
def lab(authority: Authority, materials: dict[str, Material], tmp_path: Path) -> Iterator[Lab]:
    with echo() as agent, ExitStack() as stack:
        made = Lab(authority, materials, tmp_path, agent)
        made.envoy = stack.enter_context(running(made.told(made.route()), made.materials, tmp_path))
        yield made
        for client in made.clients:
            client.close()


def test_a_new_route_is_taken_and_closes_no_connection(lab: Lab) -> None:
    client = lab.client()
    assert client.echoed("/v1/x")["path"] == "/v1/x"
    before = client.socket
    name = "http.inbound-https.rds.inbound-https.update_success"
    lab.envoy.write(
        snapshot(
            lab.told(lab.route("/v1", rewrite=Rewrite(prefix="/v2"), max_request_bytes=10), lab.route()),
            lab.materials,
        )
    )
    lab.envoy.wait_for("rds", lambda found: found[name] == 2)
    assert client.echoed("/v1/x")["path"] == "/v2/x"
    assert client.socket is before
    # A limit's filter was not there before; what it refuses it does not read, so this connection ends.
    assert client.ask("/v1/x", method="POST", body=b"x" * 11)[0] == 413
    assert lab.envoy.statistics("listener_modified|in_place_updated") == {
        "listener_manager.listener_modified": 0,
        "listener_manager.listener_in_place_updated": 0,
    }


def test_a_new_certificate_is_taken_and_closes_no_connection(lab: Lab) -> None:
    client, serials = lab.client(), set()
    client.echoed("/")
    before = client.socket
    serials.add(client.peer_serial())
    for turn in range(1, 4):
        lab.materials["agent"] = lab.authority.material("agent", dns="agent.lab")
        lab.envoy.write(snapshot(lab.told(lab.route()), lab.materials))
        lab.envoy.wait_for("^sds", certificates_taken(1 + turn))
        other = lab.client()
        other.echoed("/")
        serials.add(other.peer_serial())
    client.echoed("/")
    assert client.socket is before
    assert len(serials) == 4


@pytest.mark.parametrize("what", ["routes", "certificate"])
def test_what_envoy_refuses_leaves_what_it_had(lab: Lab, what: str) -> None:
    client = lab.client()
    client.echoed("/")
    if what == "routes":
        told = snapshot(lab.told(lab.route(match=Match(prefix=None, regex="(")), lab.route()), lab.materials)
        rejected, file = "http.inbound-https.rds.inbound-https.update_rejected", routes_file("inbound-https")
    else:
        broken = msgspec.structs.replace(lab.materials["agent"], key_pem="no key\n")
        told = snapshot(lab.told(lab.route()), {"agent": broken})
        rejected, file = "sds.agent.certificate.update_rejected", secret_file("agent.certificate")
    lab.envoy.write(told, only=lambda name: name == file)
    lab.envoy.wait_for("update_rejected", lambda found: found[rejected] == 1)
    assert client.echoed("/")["path"] == "/"
    other = lab.client()
    assert other.echoed("/")["path"] == "/"
    # And a good one after it is taken again.
    lab.envoy.write(snapshot(lab.told(lab.route(rewrite=Rewrite(prefix="/new"))), lab.materials))
    lab.envoy.wait_for("rds", lambda found: found["http.inbound-https.rds.inbound-https.update_success"] == 2)
    assert client.echoed("/a")["path"] == "/new/a"


def test_a_new_listener_and_its_cluster_are_taken(lab: Lab) -> None:
    port = free_port()
    plain = Inbound(name="plain", port=port, tls=Tls.NONE, routes=(lab.route(),))
    told = lab.told(lab.route())
    lab.envoy.write(snapshot(msgspec.structs.replace(told, inbound=(*told.inbound, plain)), lab.materials))
    lab.envoy.wait_for(
        "total_listeners_active", lambda found: found["listener_manager.total_listeners_active"] == 2
    )
    with closing(Client(port)) as client:
        assert client.echoed("/x")["path"] == "/x"


def test_a_port_that_another_has_is_not_shared_with_it(lab: Lab) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("0.0.0.0", 0))
        other.listen()
        taken = Inbound(name="taken", port=other.getsockname()[1], tls=Tls.NONE, routes=(lab.route(),))
        told = lab.told(lab.route())
        lab.envoy.write(
            snapshot(msgspec.structs.replace(told, inbound=(*told.inbound, taken)), lab.materials)
        )
        lab.envoy.wait_for("lds", lambda found: found["listener_manager.lds.update_rejected"] == 1)
    assert lab.client().echoed("/")["path"] == "/"


def test_few_statistics_are_kept(lab: Lab) -> None:
    client = lab.client()
    client.echoed("/")
    lines = lab.envoy.ask("/stats/prometheus").splitlines()
    assert len([line for line in lines if not line.startswith("#")]) < 300
    assert 'envoy_sds_certificate_update_success{envoy_xds_resource_name="agent"} 1' in lines
    assert 'envoy_listener_ssl_handshake{envoy_listener_address="inbound-https"} 1' in lines
    assert (
        'envoy_http_downstream_rq_xx{envoy_response_code_class="2",envoy_http_conn_manager_prefix="inbound-https"} 1'
        in lines
    )
