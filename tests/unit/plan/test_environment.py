import base64

import pytest
from tests.unit.plan.builders import FACTS, NODE, Files, Objects, a_pod

from pillion.plan.environment import build_environment
from pillion.plan.facts import PodFacts
from pillion.plan.references import ConfigError, NoEnvFiles
from pillion.plan.services import service_variables


def b64(value: bytes | str) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else value).decode()


OBJECTS = {
    "config_maps": {"cm": {"K": "from-cm", "A": "cm-a"}, "two": {"A": "two-a", "B": "two-b"}},
    "secrets": {
        "s": {"K": b64("from-secret"), "A": b64("s-a")},
        "bytes": {"K": b64(b"\xff")},
        "bad": {"K": "?"},
    },
}
METADATA = {"labels": {"app": "web"}, "annotations": {"a/b": "note"}}


def environment(container, *, facts=FACTS, files=None, pod=None, **spec):
    pod = a_pod(container=container, metadata=METADATA, **spec) if pod is None else pod
    return build_environment(
        pod,
        pod.spec.containers[0],
        configs=Objects(**OBJECTS),
        env_files=files or NoEnvFiles(),
        node=NODE,
        facts=facts,
    )


def env_of(*variables, **more):
    return environment({"env": list(variables)}, **more)


def var(name, value):
    return {"name": name, "value": value}


def source(name, **value_from):
    return {"name": name, "valueFrom": value_from}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ([var("A", "1"), var("B", "$(A)2")], {"A": "1", "B": "12"}),
        ([var("B", "$(A)"), var("A", "1")], {"B": "$(A)", "A": "1"}),
        ([var("A", "1"), var("A", "$(A)2")], {"A": "12"}),
        ([var("A", "$$(X) $$")], {"A": "$(X) $"}),
        ([var("A", "")], {"A": ""}),
        ([{"name": "A"}], {"A": ""}),
        (
            [source("A", configMapKeyRef={"name": "cm", "key": "K"}), var("B", "$(A)!")],
            {"A": "from-cm", "B": "from-cm!"},
        ),
        ([source("A", secretKeyRef={"name": "s", "key": "K"})], {"A": "from-secret"}),
        ([source("A", configMapKeyRef={"name": "cm", "key": "no", "optional": True})], {}),
        ([source("A", configMapKeyRef={"name": "no", "key": "K", "optional": True})], {}),
        ([source("A", secretKeyRef={"name": "s", "key": "no", "optional": True})], {}),
        ([source("A", secretKeyRef={"name": "no", "key": "K", "optional": True})], {}),
    ],
)
def test_env_is_evaluated_in_order(variables, expected):
    assert env_of(*variables) == expected


def test_an_expanded_value_from_a_source_is_not_expanded_again():
    pod = a_pod(container={"env": [var("X", "1"), source("A", configMapKeyRef={"name": "d", "key": "K"})]})
    env = build_environment(
        pod,
        pod.spec.containers[0],
        configs=Objects(config_maps={"d": {"K": "$(X)$$"}}),
        env_files=NoEnvFiles(),
        node=NODE,
        facts=FACTS,
    )
    assert env["A"] == "$(X)$$"


@pytest.mark.parametrize(
    ("env_from", "expected"),
    [
        ([{"configMapRef": {"name": "cm"}}], {"K": "from-cm", "A": "cm-a"}),
        (
            [{"configMapRef": {"name": "cm"}}, {"configMapRef": {"name": "two"}}],
            {"K": "from-cm", "A": "two-a", "B": "two-b"},
        ),
        ([{"prefix": "P_", "secretRef": {"name": "s"}}], {"P_K": "from-secret", "P_A": "s-a"}),
        (
            [
                {"configMapRef": {"name": "no", "optional": True}},
                {"secretRef": {"name": "no", "optional": True}},
            ],
            {},
        ),
    ],
)
def test_env_from_takes_all_keys_in_order(env_from, expected):
    assert environment({"envFrom": env_from}) == expected


def test_env_wins_over_env_from_and_may_refer_to_it():
    container = {"envFrom": [{"configMapRef": {"name": "cm"}}], "env": [var("A", "$(K)-own")]}
    assert environment(container) == {"K": "from-cm", "A": "from-cm-own"}


def test_service_variables_may_be_referred_to_and_never_replace_the_specs_own():
    facts = PodFacts(service_env=(("DB_SERVICE_HOST", "10.1.1.1"), ("A", "from-service")))
    assert env_of(var("URL", "http://$(DB_SERVICE_HOST)"), var("A", "1"), facts=facts) == {
        "URL": "http://10.1.1.1",
        "A": "1",
        "DB_SERVICE_HOST": "10.1.1.1",
    }


def test_one_config_map_is_read_once_for_a_whole_container():
    pod = a_pod(
        container={"env": [source(n, configMapKeyRef={"name": "cm", "key": "K"}) for n in ("A", "B")]}
    )
    objects = Objects(**OBJECTS)
    build_environment(
        pod, pod.spec.containers[0], configs=objects, env_files=NoEnvFiles(), node=NODE, facts=FACTS
    )
    assert objects.reads == ["configmap ns/cm"]


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"configMapRef": {"name": "no"}}]}, 'configmap "no" not found'),
        ({"envFrom": [{"secretRef": {"name": "no"}}]}, 'secret "no" not found'),
        ({"env": [source("A", configMapKeyRef={"name": "no", "key": "K"})]}, 'configmap "no" not found'),
        ({"env": [source("A", secretKeyRef={"name": "no", "key": "K"})]}, 'secret "no" not found'),
        (
            {"env": [source("A", configMapKeyRef={"name": "cm", "key": "k2"})]},
            "couldn't find key k2 in ConfigMap ns/cm",
        ),
        (
            {"env": [source("A", secretKeyRef={"name": "s", "key": "k2"})]},
            "couldn't find key k2 in Secret ns/s",
        ),
        (
            {"env": [source("A", fileKeyRef={"volumeName": "v", "path": "f.env", "key": "k2"})]},
            'environment variable key "k2" not found in file "f.env"',
        ),
        (
            {"env": [source("A", fileKeyRef={"volumeName": "v", "path": "gone", "key": "K"})]},
            "couldn't parse env file",
        ),
        (
            {"env": [source("A", fileKeyRef={"volumeName": "v", "path": "bad", "key": "K"})]},
            "couldn't parse env file",
        ),
        (
            {"env": [source("A", fileKeyRef={"volumeName": "w", "path": "f.env", "key": "K"})]},
            'cannot find the volume "w" referenced by FileKeyRef',
        ),
        (
            {"env": [source("A", resourceFieldRef={"containerName": "z", "resource": "limits.cpu"})]},
            "container z not found",
        ),
        (
            {"env": [source("A", resourceFieldRef={"resource": "limits.gpu"})]},
            "unsupported container resource : limits.gpu",
        ),
    ],
)
def test_a_missing_reference_has_kubernetes_own_message(container, message):
    files = Files({("v", "f.env"): "K='v'\n", ("v", "bad"): "K=v\n"})
    with pytest.raises(ConfigError) as caught:
        environment(container, files=files, volumes=[{"name": "v", "emptyDir": {}}])
    assert (str(caught.value), caught.value.reason) == (message, "CreateContainerConfigError")


@pytest.mark.parametrize(
    ("key", "path", "expected"), [("K", "f.env", {"A": "v"}), ("no", "f.env", {}), ("K", "gone", {})]
)
def test_a_variable_may_come_from_a_file_and_an_optional_one_may_be_missing(key, path, expected):
    files = Files({("v", "f.env"): "K='v'\n"})
    ref = source("A", fileKeyRef={"volumeName": "v", "path": path, "key": key, "optional": True})
    assert env_of(ref, files=files, volumes=[{"name": "v", "emptyDir": {}}]) == expected


def test_a_secret_that_is_no_text_fails_in_the_runtime_and_is_not_shown():
    with pytest.raises(ConfigError) as caught:
        env_of(source("A", secretKeyRef={"name": "bytes", "key": "K"}))
    assert caught.value.reason == "CreateContainerError"
    assert str(caught.value) == "grpc: error while marshaling: string field contains invalid UTF-8"


def test_a_secret_that_is_not_base64_is_named_but_not_shown():
    with pytest.raises(ConfigError, match="it is not base64"):
        env_of(source("A", secretKeyRef={"name": "bad", "key": "K"}))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "uid-1"),
        ("metadata.labels['app']", "web"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['a/b']", "note"),
        ("spec.nodeName", "node-1"),
        ("spec.serviceAccountName", "robot"),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1,2001:db8::1"),
        ("status.podIP", "10.0.0.7"),
        ("status.podIPs", "10.0.0.7,fd00::7"),
    ],
)
def test_a_field_of_the_pod(path, value):
    facts = PodFacts(ips=("10.0.0.7", "fd00::7"))
    env = env_of(source("A", fieldRef={"fieldPath": path}), facts=facts, serviceAccountName="robot")
    assert env == {"A": value}


LIMITED = {
    "limits": {"cpu": "1500m", "memory": "100Mi", "ephemeral-storage": "1Gi"},
    "requests": {"cpu": "250m", "memory": "64Mi"},
}


@pytest.mark.parametrize(
    ("resources", "resource", "divisor", "value"),
    [
        (LIMITED, "limits.cpu", None, "2"),
        (LIMITED, "limits.cpu", "0", "2"),
        (LIMITED, "limits.cpu", "1m", "1500"),
        (LIMITED, "requests.cpu", None, "1"),
        (LIMITED, "requests.cpu", "1m", "250"),
        (LIMITED, "limits.memory", None, "104857600"),
        (LIMITED, "limits.memory", "1Mi", "100"),
        (LIMITED, "limits.memory", "1Gi", "1"),
        (LIMITED, "limits.memory", "1M", "105"),
        (LIMITED, "requests.memory", "1Mi", "64"),
        (LIMITED, "limits.ephemeral-storage", "1Gi", "1"),
        ({}, "limits.cpu", "1m", "3500"),
        ({}, "limits.cpu", None, "4"),
        ({}, "limits.memory", "1Gi", "3"),
        ({}, "limits.ephemeral-storage", "1Gi", "10"),
        ({}, "requests.cpu", "1m", "0"),
        ({}, "requests.memory", None, "0"),
        ({}, "requests.ephemeral-storage", None, "0"),
        ({}, "limits.hugepages-2Mi", None, "0"),
    ],
)
def test_a_resource_is_divided_and_rounded_up(resources, resource, divisor, value):
    ref = {"resource": resource} | ({} if divisor is None else {"divisor": divisor})
    assert environment({"resources": resources, "env": [source("A", resourceFieldRef=ref)]}) == {"A": value}


def test_a_resource_of_another_container_may_be_asked_for():
    inits = [{"name": "i", "resources": {"limits": {"cpu": "2"}}}]
    ref = source("A", resourceFieldRef={"containerName": "i", "resource": "limits.cpu"})
    assert env_of(ref, initContainers=inits) == {"A": "2"}


def test_a_limit_of_the_pod_stands_in_for_a_missing_one():
    ref = source("A", resourceFieldRef={"resource": "limits.memory", "divisor": "1Mi"})
    assert env_of(ref, resources={"limits": {"memory": "512Mi"}}) == {"A": "512"}


def a_service(name, namespace, ip="10.1.1.1", ports=({"port": 80},)):
    import msgspec

    from pillion.objects.models import core_v1

    tree = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": ip, "ports": list(ports)},
    }
    return msgspec.convert(tree, core_v1.Service)


def test_a_service_is_announced_in_both_of_kubernetes_ways():
    service = a_service(
        "my-db", "ns", ports=({"port": 5432, "name": "sql-main"}, {"port": 53, "protocol": "UDP"})
    )
    assert dict(service_variables(a_pod(), [service])) == {
        "MY_DB_SERVICE_HOST": "10.1.1.1",
        "MY_DB_SERVICE_PORT": "5432",
        "MY_DB_SERVICE_PORT_SQL_MAIN": "5432",
        "MY_DB_PORT": "tcp://10.1.1.1:5432",
        "MY_DB_PORT_5432_TCP": "tcp://10.1.1.1:5432",
        "MY_DB_PORT_5432_TCP_PROTO": "tcp",
        "MY_DB_PORT_5432_TCP_PORT": "5432",
        "MY_DB_PORT_5432_TCP_ADDR": "10.1.1.1",
        "MY_DB_PORT_53_UDP": "udp://10.1.1.1:53",
        "MY_DB_PORT_53_UDP_PROTO": "udp",
        "MY_DB_PORT_53_UDP_PORT": "53",
        "MY_DB_PORT_53_UDP_ADDR": "10.1.1.1",
    }


@pytest.mark.parametrize(
    ("links", "hosts"), [(True, {"KUBERNETES", "DB"}), (None, {"KUBERNETES", "DB"}), (False, {"KUBERNETES"})]
)
def test_service_links_choose_all_but_the_api_server(links, hosts):
    services = [
        a_service("kubernetes", "default"),
        a_service("db", "ns"),
        a_service("other", "elsewhere"),
        a_service("headless", "ns", ip="None"),
    ]
    pairs = service_variables(a_pod(enableServiceLinks=links), services)
    assert {
        name.removesuffix("_SERVICE_HOST") for name, _ in pairs if name.endswith("_SERVICE_HOST")
    } == hosts
