import msgspec
import pytest
from tests.unit.plan.builders import FACTS, GIB, IMAGE, NODE, STATE, Objects, a_pod

from pillion.plan.build import build_plan
from pillion.plan.containerspec import HostPort, Mount, Resources, Seccomp, Security
from pillion.plan.facts import PodFacts
from pillion.plan.podplan import Role
from pillion.plan.references import ConfigError
from pillion.plan.resolve import resolve_container
from pillion.plan.resources import container_resources, pod_resources
from pillion.plan.sandbox import build_sandbox
from pillion.plan.security import resolve_security

MIB = 1 << 20


def resolve(pod, *, image=IMAGE, facts=FACTS, name="c", **moment):
    plan = build_plan(pod)
    container_plan = next(c for c in plan.containers if c.name == name)
    return resolve_container(
        pod,
        plan,
        container_plan,
        **{"attempt": 0, "sandbox_attempt": 0, **moment},
        image=image,
        configs=Objects(),
        node=NODE,
        facts=facts,
        state=STATE,
    )


def an_image(**changes):
    return msgspec.structs.replace(IMAGE, **changes)


@pytest.mark.parametrize(
    ("container", "entrypoint", "cmd", "argv"),
    [
        ({}, ("e", "1"), ("c",), ("e", "1", "c")),
        ({}, (), ("c",), ("c",)),
        ({}, ("e",), (), ("e",)),
        ({"args": ["a"]}, ("e",), ("c",), ("e", "a")),
        ({"command": ["x"]}, ("e",), ("c",), ("x",)),
        ({"command": ["x"], "args": ["a"]}, ("e",), ("c",), ("x", "a")),
        ({"args": ["a"]}, (), ("c",), ("a",)),
        ({"command": []}, ("e",), ("c",), ("e", "c")),
        ({}, ("",), ("c",), ("c",)),
        (
            {"command": ["$(A)$(NO)"], "args": ["$$(A)"], "env": [{"name": "A", "value": "1"}]},
            (),
            (),
            ("1$(NO)", "$(A)"),
        ),
    ],
)
def test_command_and_args_replace_entrypoint_and_cmd(container, entrypoint, cmd, argv):
    assert resolve(a_pod(container=container), image=an_image(entrypoint=entrypoint, cmd=cmd)).argv == argv


def test_the_images_own_command_is_not_expanded():
    assert resolve(a_pod(), image=an_image(entrypoint=("$(PATH)",))).argv == ("$(PATH)",)


DEBUGGER = {"name": "debugger", "image": "busybox", "targetContainerName": "c"}


@pytest.mark.parametrize(
    ("spec", "target_id"),
    [
        ({}, "its-newest-instance"),
        ({"hostPID": True}, None),
        ({"shareProcessNamespace": True}, None),
    ],
)
def test_a_target_counts_for_who_would_have_a_process_namespace_of_its_own(spec, target_id):
    pod = a_pod(ephemeralContainers=[DEBUGGER], **spec)
    resolved = resolve(pod, name="debugger", instances={"c": "its-newest-instance"})
    assert resolved.target_id == target_id
    assert resolve(pod, name="c", instances={"c": "its-newest-instance"}).target_id is None


def test_a_target_that_never_was_created_is_not_found():
    pod = a_pod(ephemeralContainers=[DEBUGGER])
    with pytest.raises(ConfigError) as caught:
        resolve(pod, name="debugger")
    assert (caught.value.reason, str(caught.value)) == (
        "CreateContainerConfigError",
        "unable to find target container c",
    )


def test_nothing_to_run_is_refused():
    with pytest.raises(ConfigError) as caught:
        resolve(a_pod(), image=an_image(entrypoint=(), cmd=()))
    assert (caught.value.reason, str(caught.value)) == (
        "CreateContainerError",
        "failed to generate spec: no command specified",
    )


@pytest.mark.parametrize(
    ("container", "changes"),
    [
        ({}, {}),
        ({"env": [{"name": "PATH", "value": "/mine"}]}, {"PATH": "/mine"}),
        ({"env": [{"name": "HOSTNAME", "value": "other"}]}, {"HOSTNAME": "other"}),
        ({"env": [{"name": "PATH", "value": "/mine:$(PATH)"}]}, {"PATH": "/mine:$(PATH)"}),
    ],
)
def test_the_pods_variables_win_over_the_images(container, changes):
    env = resolve(a_pod(container=container), image=an_image(env=(("PATH", "/image"), ("LANG", "C")))).env
    assert dict(env) == {"PATH": "/image", "LANG": "C"} | changes


@pytest.mark.parametrize(
    ("container", "working_dir", "cwd"),
    [({}, "/srv", "/srv"), ({"workingDir": "/w"}, "/srv", "/w"), ({}, "", "/")],
)
def test_the_working_directory(container, working_dir, cwd):
    assert resolve(a_pod(container=container), image=an_image(working_dir=working_dir)).cwd == cwd


def test_a_sidecars_third_instance_in_the_second_sandbox():
    pod = a_pod(initContainers=[{"name": "s", "image": "y", "restartPolicy": "Always"}])
    spec = resolve(pod, name="s", attempt=2, sandbox_attempt=1)

    assert (spec.role, spec.attempt, spec.sandbox_attempt) == (Role.SIDECAR, 2, 1)
    assert spec.log_path == "/var/lib/pillion/logs/ns_p_uid-1/s/2.log"
    assert spec.termination_message_host_path == "/var/lib/pillion/pods/uid-1/termination/s/2"
    assert spec.hash == build_plan(pod).inits[0].hash


def test_all_mounts_of_a_container():
    container = {"volumeMounts": [{"name": "v", "mountPath": "/data/x"}], "terminationMessagePath": "/t"}
    pod = a_pod(container=container, volumes=[{"name": "v", "emptyDir": {}}])
    mounts = resolve(pod, image=an_image(mounts=(Mount(source="/home/me/agent", destination="/app"),))).mounts
    folder = "/var/lib/pillion/pods/uid-1"

    assert [(m.destination, m.source) for m in mounts] == [
        ("/app", "/home/me/agent"),
        ("/t", f"{folder}/termination/c/0"),
        ("/data/x", f"{folder}/volumes/v"),
        ("/etc/hosts", f"{folder}/etc-hosts"),
        ("/etc/hostname", f"{folder}/hostname"),
        ("/etc/resolv.conf", f"{folder}/resolv.conf"),
    ]


@pytest.mark.parametrize(
    ("host_network", "ips", "mounted"), [(False, ("10.0.0.7",), True), (False, (), False), (True, (), True)]
)
def test_without_an_address_there_is_no_hosts_file(host_network, ips, mounted):
    spec = resolve(a_pod(hostNetwork=host_network), facts=PodFacts(ips=ips))
    assert ("/etc/hosts" in [m.destination for m in spec.mounts]) is mounted


def test_a_missing_reference_is_reported_before_the_user():
    container = {"envFrom": [{"secretRef": {"name": "no"}}], "securityContext": {"runAsNonRoot": True}}
    with pytest.raises(ConfigError, match=r'^secret "no" not found$'):
        resolve(a_pod(container=container))


@pytest.mark.parametrize(
    ("for_pod", "own", "expected"),
    [
        ({}, {}, Security()),
        ({}, {"privileged": True}, Security(privileged=True)),
        (
            {},
            {"capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]}},
            Security(add_capabilities=("NET_ADMIN",), drop_capabilities=("ALL",)),
        ),
        ({}, {"allowPrivilegeEscalation": False}, Security(no_new_privileges=True)),
        ({}, {"allowPrivilegeEscalation": True}, Security()),
        ({}, {"readOnlyRootFilesystem": True}, Security(read_only_root=True)),
        ({}, {"procMount": "Unmasked"}, Security(unmasked_proc=True)),
        ({}, {"procMount": "Default"}, Security()),
        (
            {"seccompProfile": {"type": "RuntimeDefault"}},
            {},
            Security(seccomp=Seccomp(type="RuntimeDefault")),
        ),
        (
            {"seccompProfile": {"type": "RuntimeDefault"}},
            {"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}},
            Security(seccomp=Seccomp(type="Localhost", localhost_profile="a.json")),
        ),
        (
            {"seccompProfile": {"type": "RuntimeDefault"}},
            {"seccompProfile": {"type": "Unconfined"}},
            Security(),
        ),
        ({"seccompProfile": {"type": "RuntimeDefault"}}, {"privileged": True}, Security(privileged=True)),
        ({"appArmorProfile": {"type": "RuntimeDefault"}}, {}, Security(apparmor="runtime/default")),
        (
            {},
            {"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}},
            Security(apparmor="localhost/x"),
        ),
        ({}, {"appArmorProfile": {"type": "Unconfined"}}, Security(apparmor="unconfined")),
    ],
)
def test_what_a_container_may_do(for_pod, own, expected):
    pod = a_pod(container={"securityContext": own}, securityContext=for_pod)
    assert resolve_security(pod, pod.spec.containers[0]) == expected


def limits(**amounts):
    return {"limits": amounts, "requests": amounts}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, Resources(cpu_shares=2, oom_score_adj=1000)),
        (
            limits(cpu="1500m", memory="64Mi"),
            Resources(cpu_shares=1536, cpu_quota_us=150_000, memory_limit_bytes=64 * MIB, oom_score_adj=-997),
        ),
        (
            {"limits": {"cpu": "1", "memory": "2Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}},
            Resources(cpu_shares=102, cpu_quota_us=100_000, memory_limit_bytes=2 * GIB, oom_score_adj=750),
        ),
        ({"requests": {"cpu": "1m"}}, Resources(cpu_shares=2, oom_score_adj=999)),
        ({"limits": {"cpu": "1m"}}, Resources(cpu_shares=2, cpu_quota_us=1000, oom_score_adj=999)),
        ({"limits": {"cpu": "2"}}, Resources(cpu_shares=2048, cpu_quota_us=200_000, oom_score_adj=999)),
        ({"requests": {"cpu": "1000"}}, Resources(cpu_shares=262_144, oom_score_adj=999)),
    ],
)
def test_requests_and_limits_become_cgroup_numbers(resources, expected):
    pod = a_pod(container={"resources": resources})
    assert container_resources(pod, pod.spec.containers[0], NODE.memory_bytes) == expected


SMALL, LARGE = limits(cpu="100m", memory="64Mi"), limits(cpu="500m", memory="128Mi")


@pytest.mark.parametrize(
    ("resources", "inits", "expected"),
    [
        ({}, [], Resources(cpu_shares=2)),
        (SMALL, [], Resources(cpu_shares=102, cpu_quota_us=10_000, memory_limit_bytes=64 * MIB)),
        (
            SMALL,
            [{"name": "s", "restartPolicy": "Always", "resources": SMALL}],
            Resources(cpu_shares=204, cpu_quota_us=20_000, memory_limit_bytes=128 * MIB),
        ),
        (
            SMALL,
            [{"name": "i", "resources": LARGE}],
            Resources(cpu_shares=512, cpu_quota_us=50_000, memory_limit_bytes=128 * MIB),
        ),
        (
            SMALL,
            [{"name": "i", "resources": {"limits": {"memory": "1Mi"}}}],
            Resources(cpu_shares=102, memory_limit_bytes=64 * MIB),
        ),
        (SMALL, [{"name": "i"}], Resources(cpu_shares=102)),
    ],
)
def test_the_pods_cgroup_is_limited_only_if_every_container_is(resources, inits, expected):
    assert pod_resources(a_pod(container={"resources": resources}, initContainers=inits)) == expected


def test_the_pods_own_limits_bound_its_cgroup():
    pod = a_pod(
        resources={"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}
    )
    assert pod_resources(pod) == Resources(cpu_shares=512, cpu_quota_us=100_000, memory_limit_bytes=GIB)


def sandbox(**spec):
    pod = a_pod(**spec)
    return build_sandbox(pod, build_plan(pod), attempt=3, node=NODE)


def test_a_plain_sandbox():
    spec = sandbox()
    assert (spec.pod_uid, spec.namespace, spec.pod_name, spec.attempt) == ("uid-1", "ns", "p", 3)
    assert (spec.hostname, spec.qos_class, spec.ports, spec.sysctls) == ("p", "BestEffort", (), ())


def test_a_sandbox_in_the_hosts_namespaces():
    spec = sandbox(
        hostNetwork=True,
        hostPID=True,
        hostIPC=True,
        container={"ports": [{"containerPort": 80, "hostPort": 80}]},
    )
    assert (spec.host_network, spec.host_pid, spec.host_ipc, spec.hostname) == (True, True, True, "machine")
    assert spec.ports == ()


def test_a_sandbox_shares_and_sets_what_the_pod_says():
    spec = sandbox(
        shareProcessNamespace=True,
        securityContext={"sysctls": [{"name": "net.ipv4.tcp_fin_timeout", "value": "30"}]},
    )
    assert spec.share_process_namespace is True
    assert spec.sysctls == (("net.ipv4.tcp_fin_timeout", "30"),)


def test_host_ports_are_those_of_mains_and_sidecars():
    ports = [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 81}]
    one = [{"containerPort": 53, "hostPort": 5353, "protocol": "UDP", "hostIP": "127.0.0.1"}]
    inits = [
        {"name": "i", "ports": [{"containerPort": 1, "hostPort": 1}]},
        {"name": "s", "restartPolicy": "Always", "ports": one},
    ]
    assert sandbox(container={"ports": ports}, initContainers=inits).ports == (
        HostPort(host_port=5353, container_port=53, protocol="UDP", host_ip="127.0.0.1"),
        HostPort(host_port=8080, container_port=80),
    )
