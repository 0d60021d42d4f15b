"""Which kinds `pillion run` runs, and what to say about the others."""

from __future__ import annotations

import difflib

import msgspec

from pillion.objects import DictMixin, kind_class

RUN_KINDS = ("Pod", "ConfigMap", "Secret", "Namespace")
"""A Namespace is accepted so that a cluster's manifest stays as it is; there is nothing to run about it."""

_RUNS = "it runs Pod, ConfigMap and Secret, and accepts Namespace"
_WITH_POD_TEMPLATE = (
    "Deployment",
    "ReplicaSet",
    "StatefulSet",
    "DaemonSet",
    "Job",
    "CronJob",
    "ReplicationController",
)
_KNOWN_ELSEWHERE = frozenset(
    {
        *_WITH_POD_TEMPLATE,
        *("Ingress", "IngressClass", "NetworkPolicy", "EndpointSlice", "PodDisruptionBudget"),
        *("HorizontalPodAutoscaler", "StorageClass", "PriorityClass", "RuntimeClass", "Lease"),
        *("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
        *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "APIService"),
    }
)


class KindProblem(msgspec.Struct, frozen=True):
    field: str
    message: str
    hint: str = ""


def runnable_class(api_version: str, kind: str) -> type[DictMixin] | KindProblem:
    """The model of a kind that `pillion run` takes, or why it does not take it."""
    if kind in RUN_KINDS:
        model = kind_class(api_version, kind)
        if model is not None:
            return model
        message = f'no matches for kind "{kind}" in version "{api_version}"'
        return KindProblem("apiVersion", message, 'did you mean "v1"?')
    if kind in _WITH_POD_TEMPLATE:
        return KindProblem(
            "kind", f"pillion does not run a {kind} yet", f"{_RUNS}: put its template in a Pod"
        )
    if kind in _KNOWN_ELSEWHERE or kind_class(api_version, kind) is not None:
        return KindProblem("kind", f"pillion does not run a {kind} yet", _RUNS)
    return KindProblem("kind", f'unknown kind "{kind}"', _nearest(kind))


def _nearest(kind: str) -> str:
    known = {name.casefold(): name for name in (*RUN_KINDS, *_KNOWN_ELSEWHERE)}
    near = difflib.get_close_matches(kind.casefold(), known, n=1, cutoff=0.65)
    return f'did you mean "{known[near[0]]}"?' if near else f"pillion {_RUNS.removeprefix('it ')}"
