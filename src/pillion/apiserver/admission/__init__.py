"""Admission: what is added to objects on their way in, and what is refused for reasons beyond the object itself.

The plugins are those of Kubernetes that one machine needs, under their names, in their order; and one of ours.
"""

from pillion.apiserver.admission.chain import AdmissionChain, Plugin
from pillion.apiserver.admission.clusterip import ClusterIps
from pillion.apiserver.admission.identity import Identity
from pillion.apiserver.admission.namespaces import NamespaceLifecycle
from pillion.apiserver.admission.podplugins import DefaultTolerationSeconds, Priority, RuntimeClass
from pillion.apiserver.admission.serviceaccount import ServiceAccount

__all__ = [
    "AdmissionChain",
    "ClusterIps",
    "DefaultTolerationSeconds",
    "Identity",
    "NamespaceLifecycle",
    "Plugin",
    "Priority",
    "RuntimeClass",
    "ServiceAccount",
]
