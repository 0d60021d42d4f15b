"""The files the kubelet writes for a pod: /etc/hosts, /etc/hostname and /etc/resolv.conf."""

from collections.abc import Iterable, Sequence

import msgspec

from pillion.objects.models import core_v1
from pillion.plan.facts import NodeFacts, PodFacts
from pillion.plan.hostnames import kernel_hostname, pod_hostname
from pillion.plan.pods import identity_of, spec_of

_MAX_NAMESERVERS, _MAX_SEARCHES, _MAX_SEARCH_CHARS = 3, 32, 2048
_CLUSTER_OPTIONS = ("ndots:5",)

_LOCAL_HOSTS = """\
# Kubernetes-managed hosts file.
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
fe00::0\tip6-mcastprefix
fe00::1\tip6-allnodes
fe00::2\tip6-allrouters
"""
_HOST_NETWORK_HEADER = "# Kubernetes-managed hosts file (host network).\n"


class PodWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A Warning Event about the pod."""

    reason: str
    message: str


class PodFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Contents of the files below the pod's folder, `etc-hosts`, `hostname` and `resolv.conf`; all of mode 0644."""

    etc_hosts: str
    hostname: str
    resolv_conf: str
    warnings: tuple[PodWarning, ...] = ()


class DnsConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a resolv.conf says."""

    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


def build_pod_files(pod: core_v1.Pod, node: NodeFacts, facts: PodFacts) -> PodFiles:
    """Raises ConfigError for a host name the kernel does not take."""
    dns, warnings = pod_dns(pod, node)
    in_host_network = bool(spec_of(pod).hostNetwork)
    hostname = node.hostname if in_host_network else kernel_hostname(pod, node.cluster_domain)
    return PodFiles(
        etc_hosts=etc_hosts(pod, node, facts),
        hostname=f"{hostname}\n",
        # Nothing configured at all: the runtime gives the container the host's file (containerd: setupSandboxFiles).
        resolv_conf=format_resolv_conf(dns) or node.resolv_conf,
        warnings=warnings,
    )


def etc_hosts(pod: core_v1.Pod, node: NodeFacts, facts: PodFacts) -> str:
    """kubelet_pods.go: managedHostsFileContent, nodeHostsFileContent."""
    spec = spec_of(pod)
    aliases = _host_aliases(spec.hostAliases or ())
    if spec.hostNetwork:
        return f"{_HOST_NETWORK_HEADER}{node.hosts}{aliases}"
    hostname, domain = pod_hostname(pod, node.cluster_domain)
    names = f"{hostname}.{domain}\t{hostname}" if domain else hostname
    own = "".join(f"{ip}\t{names}\n" for ip in facts.ips)
    return f"{_LOCAL_HOSTS}{own}{aliases}"


def _host_aliases(aliases: Sequence[core_v1.HostAlias]) -> str:
    if not aliases:
        return ""
    lines = "".join("\t".join([alias.ip, *(alias.hostnames or ())]) + "\n" for alias in aliases)
    return f"\n# Entries added by HostAliases.\n{lines}"


def pod_dns(pod: core_v1.Pod, node: NodeFacts) -> tuple[DnsConfig, tuple[PodWarning, ...]]:
    """pkg/kubelet/network/dns/dns.go: GetPodDNS."""
    spec = spec_of(pod)
    policy = spec.dnsPolicy or "ClusterFirst"
    wants_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not spec.hostNetwork)
    warnings: list[PodWarning] = []
    if policy == "None":
        dns = DnsConfig()
    elif wants_cluster and node.cluster_dns:
        dns = _cluster_dns(identity_of(pod).namespace, node)
    else:
        dns = parse_resolv_conf(node.resolv_conf)
        if wants_cluster:
            warnings.append(_missing_cluster_dns(pod))
    if spec.dnsConfig is not None:
        dns = _merge_dns(dns, spec.dnsConfig)
    dns, exceeded = _fit_limits(dns)
    return dns, (*warnings, *exceeded)


def _cluster_dns(namespace: str, node: NodeFacts) -> DnsConfig:
    domain, searches = node.cluster_domain, parse_resolv_conf(node.resolv_conf).searches
    if domain:
        searches = _unique((f"{namespace}.svc.{domain}", f"svc.{domain}", domain, *searches))
    return DnsConfig(nameservers=node.cluster_dns, searches=searches, options=_CLUSTER_OPTIONS)


def _missing_cluster_dns(pod: core_v1.Pod) -> PodWarning:
    return PodWarning(
        reason="MissingClusterDNS",
        message=(
            f'pod: "{identity_of(pod)}". kubelet does not have ClusterDNS IP configured and cannot create Pod '
            'using "ClusterFirst" policy. Falling back to "Default" policy.'
        ),
    )


def _merge_dns(dns: DnsConfig, config: core_v1.PodDNSConfig) -> DnsConfig:
    """The pod's entries come after; an option of the pod's replaces one of the same name."""
    options = dict(_split_option(option) for option in dns.options)
    options.update({option.name or "": option.value or "" for option in config.options or ()})
    return DnsConfig(
        nameservers=_unique((*dns.nameservers, *(config.nameservers or ()))),
        searches=_unique((*dns.searches, *(config.searches or ()))),
        options=tuple(f"{name}:{value}" if value else name for name, value in options.items()),
    )


def _split_option(option: str) -> tuple[str, str]:
    name, _, value = option.partition(":")
    return name, value


def _fit_limits(dns: DnsConfig) -> tuple[DnsConfig, tuple[PodWarning, ...]]:
    warnings = []
    nameservers = dns.nameservers[:_MAX_NAMESERVERS]
    if nameservers != dns.nameservers:
        warnings.append(
            PodWarning(
                reason="DNSConfigForming",
                message="Nameserver limits were exceeded, some nameservers have been omitted, "
                f"the applied nameserver line is: {' '.join(nameservers)}",
            )
        )
    searches = dns.searches[:_MAX_SEARCHES]
    while len(" ".join(searches)) > _MAX_SEARCH_CHARS:
        searches = searches[:-1]
    if searches != dns.searches:
        warnings.append(
            PodWarning(
                reason="DNSConfigForming",
                message="Search Line limits were exceeded, some search paths have been omitted, "
                f"the applied search line is: {' '.join(searches)}",
            )
        )
    return DnsConfig(nameservers=nameservers, searches=searches, options=dns.options), tuple(warnings)


def parse_resolv_conf(text: str) -> DnsConfig:
    """Name servers add up; the last `search` line wins, and so does the last value of an option."""
    nameservers: list[str] = []
    searches: tuple[str, ...] = ()
    options: dict[str, str] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                nameservers.append(address)
            case ["search", *domains]:
                searches = tuple(d if d == "." else d.removesuffix(".") for d in domains)
            case ["options", *words]:
                options.update(_split_option(word) for word in words)
            case _:
                pass  # comments, `domain`, `sortlist`: the kubelet reads no others
    return DnsConfig(
        nameservers=tuple(nameservers),
        searches=searches,
        options=tuple(f"{name}:{value}" if value else name for name, value in options.items()),
    )


def format_resolv_conf(dns: DnsConfig) -> str:
    """In containerd's order (parseDNSOptions); "" when there is nothing to say."""
    lines = []
    if dns.searches:
        lines.append(f"search {' '.join(dns.searches)}")
    lines.extend(f"nameserver {address}" for address in dns.nameservers)
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    return "".join(f"{line}\n" for line in lines)


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
