"""One field that this node cannot honour: the pod is refused or rejected, and never run as if it had not been asked."""

import msgspec
import pytest
from tests.unit.plan.builders import NODE, a_pod

from pillion.plan.admission import Rejection, admit, rejection
from pillion.plan.build import build_plan
from pillion.plan.references import ConfigError
from pillion.plan.sandbox import build_sandbox


@pytest.mark.parametrize(
    ("spec", "container"),
    [
        ({}, {}),
        ({"hostUsers": True, "os": {"name": "linux"}, "runtimeClassName": ""}, {}),
        ({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}}, {}),
        ({"securityContext": {"sysctls": [{"name": "net/ipv4/tcp_syncookies", "value": "1"}]}}, {}),
        ({"nodeSelector": {"disk": "ssd"}, "priorityClassName": "high"}, {}),
        ({}, {"resources": {"requests": {"cpu": "64", "ephemeral-storage": "1Ti", "hugepages-2Mi": "2Mi"}}}),
        ({}, {"resources": {"limits": {"nvidia.com/gpu": "0"}}}),
    ],
)
def test_what_a_node_has_or_need_not_have_is_let_on(spec, container):
    pod = a_pod(container=container, **spec)
    admit(pod)
    assert rejection(pod, NODE) is None


@pytest.mark.parametrize(
    ("spec", "container", "sentence"),
    [
        (
            {"hostUsers": False},
            {},
            "can't set `spec.hostUsers: false`, runtime does not support user namespaces",
        ),
        ({"runtimeClassName": "gvisor"}, {}, 'runtimeclass.node.k8s.io "gvisor" not found'),
        (
            {"schedulingGates": [{"name": "example.com/g"}]},
            {},
            "Scheduling is blocked due to non-empty scheduling gates",
        ),
        (
            {},
            {"resources": {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}},
            "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.",
        ),
        (
            {"resourceClaims": [{"name": "gpu", "resourceClaimName": "gpu"}]},
            {},
            "cannot allocate all claims: this node has no drivers for resource claims",
        ),
        (
            {},
            {"resources": {"claims": [{"name": "gpu"}]}},
            "cannot allocate all claims: this node has no drivers for resource claims",
        ),
    ],
)
def test_what_this_node_cannot_honour_is_refused_with_the_sandbox(spec, container, sentence):
    pod = a_pod(container=container, **spec)
    with pytest.raises(ConfigError) as told:
        build_sandbox(pod, build_plan(pod), attempt=0, node=NODE)
    assert str(told.value) == sentence


OTHER_OS = "Failed to admit pod as the OS field doesn't match node OS"
OTHER_LABEL = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
NO_APPARMOR = "Cannot enforce AppArmor: AppArmor is not enabled on the host"
UNSAFE = {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}
MINE = {"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        (
            {"securityContext": UNSAFE},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ),
        (
            {"securityContext": {"sysctls": [{"name": "kernel/msgmax", "value": "1"}]}},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ),
        (
            {"metadata": {"labels": {"kubernetes.io/os": "windows"}}},
            "PodOSSelectorNodeLabelDoesNotMatch",
            OTHER_LABEL,
        ),
        ({"os": {"name": "windows"}}, "PodOSNotSupported", OTHER_OS),
        ({"securityContext": MINE}, "AppArmor", NO_APPARMOR),
        ({"container": {"securityContext": MINE}}, "AppArmor", NO_APPARMOR),
        (
            {"os": {"name": "windows"}, "securityContext": UNSAFE | MINE},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ),
    ],
)
def test_what_a_kubelet_never_lets_on_is_rejected_with_its_first_reason(fields, reason, message):
    assert rejection(a_pod(**fields), NODE) == Rejection(reason=reason, message=message)


@pytest.mark.parametrize(
    ("enforces", "spec"),
    [
        (True, {"securityContext": MINE}),
        (False, {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
        (
            False,
            {
                "securityContext": MINE,
                "container": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}},
            },
        ),
    ],
)
def test_apparmor_matters_where_a_container_wants_a_profile_and_the_kernel_has_none(enforces, spec):
    node = msgspec.structs.replace(NODE, enforces_apparmor=enforces)
    assert rejection(a_pod(**spec), node) is None
