import msgspec
import pytest
from tests.unit.plan.builders import FACTS, NODE, a_pod

from pillion.plan.facts import PodFacts
from pillion.plan.hostnames import kernel_hostname, pod_hostname
from pillion.plan.podfiles import (
    DnsConfig,
    PodWarning,
    build_pod_files,
    etc_hosts,
    format_resolv_conf,
    parse_resolv_conf,
    pod_dns,
)
from pillion.plan.references import ConfigError

DOMAIN = "cluster.local"
LONG = "x" * 62 + "-" + "y" * 40


@pytest.mark.parametrize(
    ("spec", "names", "in_kernel"),
    [
        ({}, ("p", ""), "p"),
        ({"hostname": "h"}, ("h", ""), "h"),
        ({"subdomain": "s"}, ("p", "s.ns.svc.cluster.local"), "p"),
        ({"hostname": "h", "subdomain": "s"}, ("h", "s.ns.svc.cluster.local"), "h"),
        (
            {"subdomain": "s", "setHostnameAsFQDN": True},
            ("p", "s.ns.svc.cluster.local"),
            "p.s.ns.svc.cluster.local",
        ),
        ({"setHostnameAsFQDN": True}, ("p", ""), "p"),
        ({"hostnameOverride": "www.example.com"}, ("www.example.com", ""), "www.example.com"),
        ({"hostnameOverride": "o", "hostname": "h", "subdomain": "s"}, ("o", ""), "o"),
    ],
)
def test_a_pod_is_called(spec, names, in_kernel):
    assert pod_hostname(a_pod(**spec), DOMAIN) == names
    assert kernel_hostname(a_pod(**spec), DOMAIN) == in_kernel


@pytest.mark.parametrize(
    ("name", "hostname"),
    [("x" * 63, "x" * 63), ("x" * 64, "x" * 63), (LONG, "x" * 62), ("x" * 60 + "-.-" + "y", "x" * 60)],
)
def test_a_long_name_is_cut_and_never_ends_in_a_dash_or_dot(name, hostname):
    assert pod_hostname(a_pod(metadata={"name": name}), DOMAIN) == (hostname, "")


def test_a_full_name_that_the_kernel_does_not_take_is_refused():
    pod = a_pod(metadata={"name": "x" * 50}, subdomain="s", setHostnameAsFQDN=True)
    with pytest.raises(
        ConfigError, match=r"is too long \(64 characters is the max, 73 characters requested\)$"
    ):
        kernel_hostname(pod, DOMAIN)


LOCAL = (
    "# Kubernetes-managed hosts file.\n"
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)
ALIASES = [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}, {"ip": "5.6.7.8", "hostnames": ["c"]}]


@pytest.mark.parametrize(
    ("spec", "ips", "text"),
    [
        ({}, ("10.0.0.7",), f"{LOCAL}10.0.0.7\tp\n"),
        ({}, ("10.0.0.7", "fd00::7"), f"{LOCAL}10.0.0.7\tp\nfd00::7\tp\n"),
        ({"subdomain": "s"}, ("10.0.0.7",), f"{LOCAL}10.0.0.7\tp.s.ns.svc.cluster.local\tp\n"),
        (
            {"hostAliases": ALIASES},
            ("10.0.0.7",),
            f"{LOCAL}10.0.0.7\tp\n\n# Entries added by HostAliases.\n1.2.3.4\ta\tb\n5.6.7.8\tc\n",
        ),
        (
            {"hostNetwork": True, "hostAliases": ALIASES[1:]},
            ("192.0.2.1",),
            (
                "# Kubernetes-managed hosts file (host network).\n127.0.0.1 localhost machine\n"
                "\n# Entries added by HostAliases.\n5.6.7.8\tc\n"
            ),
        ),
    ],
)
def test_the_hosts_file_is_the_kubelets(spec, ips, text):
    assert etc_hosts(a_pod(**spec), NODE, PodFacts(ips=ips)) == text


CLUSTER = msgspec.structs.replace(NODE, cluster_dns=("10.96.0.10",))
OF_HOST = DnsConfig(nameservers=("192.0.2.53",), searches=("example.org",), options=("timeout:1",))
OF_CLUSTER = DnsConfig(
    nameservers=("10.96.0.10",),
    searches=("ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "example.org"),
    options=("ndots:5",),
)


@pytest.mark.parametrize(
    ("spec", "dns"),
    [
        ({"dnsPolicy": "Default"}, OF_HOST),
        ({"dnsPolicy": "ClusterFirst"}, OF_CLUSTER),
        ({"dnsPolicy": "ClusterFirst", "hostNetwork": True}, OF_HOST),
        ({"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}, OF_CLUSTER),
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"], "options": [{"name": "edns0"}]}},
            DnsConfig(nameservers=("9.9.9.9",), options=("edns0",)),
        ),
        (
            {
                "dnsPolicy": "Default",
                "dnsConfig": {
                    "nameservers": ["9.9.9.9", "192.0.2.53"],
                    "searches": ["example.org", "example.net"],
                    "options": [{"name": "timeout", "value": "2"}, {"name": "edns0"}],
                },
            },
            DnsConfig(
                nameservers=("192.0.2.53", "9.9.9.9"),
                searches=("example.org", "example.net"),
                options=("timeout:2", "edns0"),
            ),
        ),
    ],
)
def test_the_dns_policy_decides(spec, dns):
    assert pod_dns(a_pod(**spec), CLUSTER) == (dns, ())


def test_without_a_cluster_dns_the_hosts_is_used_with_the_kubelets_warning():
    assert pod_dns(a_pod(dnsPolicy="ClusterFirst"), NODE) == (
        OF_HOST,
        (
            PodWarning(
                reason="MissingClusterDNS",
                message='pod: "p_ns(uid-1)". kubelet does not have ClusterDNS IP configured and cannot create Pod '
                'using "ClusterFirst" policy. Falling back to "Default" policy.',
            ),
        ),
    )


def test_what_resolvers_do_not_read_is_left_out_with_a_warning():
    config = {
        "nameservers": ["1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"],
        "searches": ["a" * 1000, "b" * 1000, "c" * 99],
    }
    dns, warnings = pod_dns(a_pod(dnsPolicy="None", dnsConfig=config), NODE)

    assert dns == DnsConfig(nameservers=("1.1.1.1", "2.2.2.2", "3.3.3.3"), searches=("a" * 1000, "b" * 1000))
    assert [warning.reason for warning in warnings] == ["DNSConfigForming", "DNSConfigForming"]
    assert warnings[0].message == (
        "Nameserver limits were exceeded, some nameservers have been omitted, "
        "the applied nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3"
    )


@pytest.mark.parametrize(
    ("text", "dns"),
    [
        ("", DnsConfig()),
        ("# nameserver 1.1.1.1\n; x\ndomain d\n", DnsConfig()),
        (
            "nameserver 1.1.1.1\n  nameserver\t2.2.2.2 # x\nnameserver\n",
            DnsConfig(nameservers=("1.1.1.1", "2.2.2.2")),
        ),
        ("search a b.\nsearch c. .\n", DnsConfig(searches=("c", "."))),
        ("options ndots:2 rotate\noptions ndots:3\n", DnsConfig(options=("ndots:3", "rotate"))),
    ],
)
def test_the_hosts_resolv_conf_is_read_as_the_kubelet_reads_it(text, dns):
    assert parse_resolv_conf(text) == dns


def test_a_resolv_conf_is_written_in_containerds_order():
    assert format_resolv_conf(OF_CLUSTER) == (
        "search ns.svc.cluster.local svc.cluster.local cluster.local example.org\n"
        "nameserver 10.96.0.10\n"
        "options ndots:5\n"
    )


def test_all_files_of_a_pod():
    files = build_pod_files(a_pod(dnsPolicy="Default"), NODE, FACTS)
    assert files.hostname == "p\n"
    assert files.etc_hosts == f"{LOCAL}10.0.0.7\tp\n"
    assert files.resolv_conf == "search example.org\nnameserver 192.0.2.53\noptions timeout:1\n"
    assert files.warnings == ()


def test_a_pod_in_the_hosts_network_has_the_hosts_name():
    assert build_pod_files(a_pod(hostNetwork=True, hostname="h"), NODE, FACTS).hostname == "machine\n"
