"""What a pod is called inside.

kubelet_pods.go: GeneratePodHostNameAndDomain; pkg/kubelet/util: GetNodenameForKernel.
"""

from pillion.objects.models import core_v1
from pillion.plan.pods import identity_of, spec_of
from pillion.plan.references import CREATE_ERROR, ConfigError

_LABEL_MAX = 63
_KERNEL_MAX = 64


def pod_hostname(pod: core_v1.Pod, cluster_domain: str) -> tuple[str, str]:
    """The short name and the domain ("" without a subdomain)."""
    spec, identity = spec_of(pod), identity_of(pod)
    hostname = spec.hostnameOverride or spec.hostname or identity.name
    if len(hostname) > _LABEL_MAX:
        hostname = hostname[:_LABEL_MAX].rstrip("-.")
    if spec.hostnameOverride or not spec.subdomain:
        return hostname, ""
    return hostname, f"{spec.subdomain}.{identity.namespace}.svc.{cluster_domain}"


def kernel_hostname(pod: core_v1.Pod, cluster_domain: str) -> str:
    """What `hostname` prints in a pod that is not in the host's network. Raises ConfigError if it is too long."""
    hostname, domain = pod_hostname(pod, cluster_domain)
    if not spec_of(pod).setHostnameAsFQDN or not domain:
        return hostname
    fqdn = f"{hostname}.{domain}"
    if len(fqdn) > _KERNEL_MAX:
        raise ConfigError(
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {fqdn} is too long "
            f"({_KERNEL_MAX} characters is the max, {len(fqdn)} characters requested)",
            CREATE_ERROR,
        )
    return fqdn
