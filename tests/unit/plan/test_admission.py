"""One field that this node cannot honour: the pod is refused, and never run as if nothing had been asked."""

import pytest
from tests.unit.plan.builders import NODE, a_pod

from pillion.plan.admission import admit
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
    admit(a_pod(container=container, **spec))


@pytest.mark.parametrize(
    ("spec", "container", "sentence"),
    [
        (
            {"hostUsers": False},
            {},
            "can't set `spec.hostUsers: false`, runtime does not support user namespaces",
        ),
        ({"runtimeClassName": "gvisor"}, {}, 'runtimeclass.node.k8s.io "gvisor" not found'),
        ({"os": {"name": "windows"}}, {}, "Failed to admit pod as the OS field doesn't match node OS"),
        (
            {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}},
            {},
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ),
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
