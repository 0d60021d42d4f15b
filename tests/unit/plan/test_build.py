import subprocess
import sys

import pytest
from tests.unit.plan.builders import a_pod

from pillion.plan.build import build_plan
from pillion.plan.podplan import (
    ExecHandler,
    GrpcHandler,
    HttpGetHandler,
    ProbePlan,
    RestartPolicy,
    RestartRule,
    Role,
    SleepHandler,
    TcpSocketHandler,
)


def test_an_init_container_that_always_restarts_is_a_sidecar_and_keeps_its_place():
    inits = [
        {"name": "a"},
        {"name": "b", "restartPolicy": "Always"},
        {"name": "d", "restartPolicy": "OnFailure"},
    ]
    plan = build_plan(a_pod(initContainers=inits, ephemeralContainers=[{"name": "e"}]))

    assert [(c.name, c.role, c.restart_policy) for c in plan.containers] == [
        ("a", Role.INIT, None),
        ("b", Role.SIDECAR, RestartPolicy.ALWAYS),
        ("d", Role.INIT, RestartPolicy.ON_FAILURE),
        ("c", Role.MAIN, None),
        ("e", Role.EPHEMERAL, None),
    ]


@pytest.mark.parametrize(("grace", "planned"), [(None, 30), (0, 0), (-5, 1), (7, 7)])
def test_the_grace_period_is_the_specs_and_a_negative_one_is_one_second(grace, planned):
    assert build_plan(a_pod(terminationGracePeriodSeconds=grace)).grace_seconds == planned


@pytest.mark.parametrize(
    ("change", "same_hash", "same_backoff"),
    [
        ({}, True, True),
        ({"env": [{"name": "A", "value": "1"}], "command": ["x"]}, True, True),
        ({"resources": {"limits": {"cpu": "1"}}}, True, False),
        ({"image": "y"}, False, False),
        ({"name": "other"}, False, False),
    ],
)
def test_the_hash_covers_name_and_image_and_the_backoff_key_resources_too(change, same_hash, same_backoff):
    before, after = build_plan(a_pod()).mains[0], build_plan(a_pod(container=change)).mains[0]

    assert (after.hash == before.hash) is same_hash
    assert (after.backoff_key == before.backoff_key) is same_backoff


def test_another_pod_has_the_same_hash_but_its_own_backoff():
    one, two = build_plan(a_pod()).mains[0], build_plan(a_pod(metadata={"uid": "uid-2"})).mains[0]

    assert one.hash == two.hash
    assert one.backoff_key != two.backoff_key


def test_hashes_are_the_same_in_another_process():
    program = (
        "from tests.unit.plan.builders import a_pod\n"
        "from pillion.plan.build import build_plan\n"
        "c = build_plan(a_pod(container={'resources': {'limits': {'cpu': '1', 'memory': '1Gi'}}})).mains[0]\n"
        "print(c.hash, c.backoff_key)\n"
    )
    here = build_plan(a_pod(container={"resources": {"limits": {"memory": "1Gi", "cpu": "1"}}})).mains[0]
    there = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert there.stdout.split() == [here.hash, here.backoff_key]


PORTS = [{"name": "web", "containerPort": 8080}]


@pytest.mark.parametrize(
    ("probe", "planned"),
    [
        ({"exec": {"command": ["a"]}}, ProbePlan(handler=ExecHandler(("a",)))),
        (
            {"httpGet": {"port": "web"}, "periodSeconds": 0, "timeoutSeconds": 0, "failureThreshold": 0},
            ProbePlan(handler=HttpGetHandler(port=8080, path="/", scheme="HTTP")),
        ),
        (
            {
                "httpGet": {
                    "port": 1,
                    "path": "/h",
                    "scheme": "HTTPS",
                    "host": "h",
                    "httpHeaders": [{"name": "a", "value": "b"}],
                }
            },
            ProbePlan(
                handler=HttpGetHandler(port=1, path="/h", scheme="HTTPS", host="h", headers=(("a", "b"),))
            ),
        ),
        ({"tcpSocket": {"port": "nobody"}}, ProbePlan(handler=TcpSocketHandler(port="nobody"))),
        ({"tcpSocket": {"port": "81"}}, ProbePlan(handler=TcpSocketHandler(port=81))),
        ({"grpc": {"port": 9}}, ProbePlan(handler=GrpcHandler(port=9, service=""))),
        (
            {
                "exec": {"command": ["a"]},
                "initialDelaySeconds": 1,
                "periodSeconds": 2,
                "timeoutSeconds": 3,
                "successThreshold": 4,
                "failureThreshold": 5,
                "terminationGracePeriodSeconds": 6,
            },
            ProbePlan(
                handler=ExecHandler(("a",)),
                initial_delay=1,
                period=2,
                timeout=3,
                success_threshold=4,
                failure_threshold=5,
                grace_seconds=6,
            ),
        ),
    ],
)
def test_a_probe_gets_kubernetes_defaults_and_port_numbers(probe, planned):
    container = {"ports": PORTS, "readinessProbe": probe, "livenessProbe": probe, "startupProbe": probe}
    main = build_plan(a_pod(container=container)).mains[0]

    assert (main.startup, main.liveness, main.readiness) == (planned, planned, planned)


def test_a_probes_command_knows_only_the_literal_values_of_the_spec():
    env = [
        {"name": "A", "value": "1"},
        {"name": "B", "value": "$(A)2"},
        {"name": "F", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    command = ["$(A)", "$(B)", "$(NONE)", "$$(A)", "[$(F)]"]
    main = build_plan(a_pod(container={"env": env, "livenessProbe": {"exec": {"command": command}}})).mains[0]

    assert main.liveness == ProbePlan(handler=ExecHandler(("1", "$(A)2", "$(NONE)", "$(A)", "[]")))


def test_a_hooks_command_is_never_expanded():
    lifecycle = {"postStart": {"exec": {"command": ["$(A)"]}}, "preStop": {"sleep": {"seconds": 0}}}
    main = build_plan(a_pod(container={"env": [{"name": "A", "value": "1"}], "lifecycle": lifecycle})).mains[
        0
    ]

    assert (main.post_start, main.pre_stop) == (ExecHandler(("$(A)",)), SleepHandler(0))


def test_restart_rules_keep_their_order():
    rules = [
        {"action": "Restart", "exitCodes": {"operator": "In", "values": [1, 2]}},
        {"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn", "values": [0]}},
    ]
    main = build_plan(a_pod(container={"restartPolicy": "Never", "restartPolicyRules": rules})).mains[0]

    assert main.restart_policy is RestartPolicy.NEVER
    assert main.restart_rules == (
        RestartRule(action="Restart", operator="In", values=(1, 2)),
        RestartRule(action="RestartAllContainers", operator="NotIn", values=(0,)),
    )


def test_the_rest_of_the_pod_is_carried_over():
    pod = a_pod(
        restartPolicy="OnFailure",
        hostNetwork=True,
        activeDeadlineSeconds=9,
        readinessGates=[{"conditionType": "example.org/ready"}],
    )
    plan = build_plan(pod)

    assert (plan.uid, plan.namespace, plan.name) == ("uid-1", "ns", "p")
    assert (plan.restart_policy, plan.host_network, plan.active_deadline) == (
        RestartPolicy.ON_FAILURE,
        True,
        9,
    )
    assert plan.readiness_gates == ("example.org/ready",)
