"""Rules of containers, rows in the order of core/validation: one small change, the exact errors."""

from __future__ import annotations

import pytest
from tests.unit.objects.basepod import (
    CONFIG_KEY,
    INIT,
    LABEL,
    MAIN,
    SUBDOMAIN,
    Tree,
    env,
    errors_of,
    init,
    main,
    probe,
    spec,
)

BYTES = "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei"
PLAIN_INIT = "Forbidden: may not be set for init containers without restartPolicy=Always"

RULES: dict[str, tuple[Tree, list[str]]] = {
    "1 the name": (
        {"metadata": {"name": "A_b"}},
        [f'metadata.name: Invalid value: "A_b": {SUBDOMAIN}'],
    ),
    "1 no name": (
        {"metadata": {"name": ""}},
        ["metadata.name: Required value: name or generateName is required"],
    ),
    "1 a prefix may end in a dash": ({"metadata": {"name": None, "generateName": "job-"}}, []),
    "1 a long name": (
        {"metadata": {"name": "a" * 254}},
        [f'metadata.name: Invalid value: "{"a" * 254}": must be no more than 253 bytes'],
    ),
    "2 no containers": ({"spec": {"containers": None}}, ["spec.containers: Required value"]),
    "3 no container name": (main(name=""), [f"{MAIN}.name: Required value"]),
    "3 a container name": (main(name="Main"), [f'{MAIN}.name: Invalid value: "Main": {LABEL}']),
    "3 a dotted container name": (
        main(name="a.b"),
        [f'{MAIN}.name: Invalid value: "a.b": must not contain dots'],
    ),
    "4 two mains of one name": (
        {"spec": {"containers": [{}, {"name": "main", "image": "x"}]}},
        ['spec.containers[1].name: Duplicate value: "main"'],
    ),
    "4 an init named as a main": (init(name="main"), [f'{INIT}.name: Duplicate value: "main"']),
    "5 no image": (main(image=""), [f"{MAIN}.image: Required value"]),
    "5 blanks around an image": (
        main(image=" x"),
        [f'{MAIN}.image: Invalid value: " x": must not have leading or trailing whitespace'],
    ),
    "6 pull policy": (
        main(imagePullPolicy="Sometimes"),
        [
            (
                f'{MAIN}.imagePullPolicy: Unsupported value: "Sometimes": '
                'supported values: "Always", "IfNotPresent", "Never"'
            )
        ],
    ),
    "7 message policy": (
        main(terminationMessagePolicy="Log"),
        [
            (
                f'{MAIN}.terminationMessagePolicy: Unsupported value: "Log": '
                'supported values: "File", "FallbackToLogsOnError"'
            )
        ],
    ),
    "8 restart policy": (
        spec(restartPolicy="always"),
        ['spec.restartPolicy: Unsupported value: "always": supported values: "Always", "OnFailure", "Never"'],
    ),
    "9 init restart policy": (init(restartPolicy="OnFailure"), []),
    "9 unknown init restart policy": (
        init(restartPolicy="Once"),
        [
            f'{INIT}.restartPolicy: Unsupported value: "Once": supported values: "Always", "Never", "OnFailure"'
        ],
    ),
    "10 main restart policy": (main(restartPolicy="Never"), []),
    "11 rules need a policy": (
        main(restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]),
        [f"{MAIN}.restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
    ),
    "11 rules": (
        main(
            restartPolicy="Never",
            restartPolicyRules=[
                {"action": "Retry", "exitCodes": {"operator": "Is", "values": list(range(256))}},
                {"action": "Restart"},
            ],
        ),
        [
            (
                f'{MAIN}.restartPolicyRules[0].action: Unsupported value: "Retry": '
                'supported values: "Restart", "RestartAllContainers"'
            ),
            (
                f'{MAIN}.restartPolicyRules[0].exitCodes.operator: Unsupported value: "Is": '
                'supported values: "In", "NotIn"'
            ),
            f"{MAIN}.restartPolicyRules[0].exitCodes.values: Too many: 256: must have at most 255 items",
            f"{MAIN}.restartPolicyRules[1].exitCodes: Required value: must be specified",
        ],
    ),
    "11 many rules": (
        main(
            restartPolicy="Never",
            restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In"}}] * 21,
        ),
        [f"{MAIN}.restartPolicyRules: Too many: 21: must have at most 20 items"],
    ),
    "12 a plain init runs to its end": (
        init(
            restartPolicy=None,
            lifecycle={"preStop": {"sleep": {"seconds": 1}}},
            livenessProbe=probe(),
            readinessProbe=probe(),
            startupProbe=probe(),
        ),
        [
            f"{INIT}.{field}: {PLAIN_INIT}"
            for field in ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
        ],
    ),
    "12 a sidecar has probes": (init(startupProbe=probe(), lifecycle={}), []),
    "13 resizing a plain init": (
        init(
            restartPolicy=None,
            resizePolicy=[{"resourceName": "cpu", "restartPolicy": "RestartContainer"}],
        ),
        [
            (
                f'{INIT}.resizePolicy[0].restartPolicy: Invalid value: "RestartContainer": '
                "must not be set to 'RestartContainer' for non-sidecar initContainers"
            )
        ],
    ),
    "14 ephemeral containers on create": (
        spec(ephemeralContainers=[{"name": "main", "image": "x", "targetContainerName": "gone"}]),
        [
            'spec.ephemeralContainers[0].name: Duplicate value: "main"',
            'spec.ephemeralContainers[0].targetContainerName: Not found: "gone"',
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ],
    ),
    "14 what an ephemeral container cannot have": (
        spec(
            ephemeralContainers=[
                {
                    "name": "debug",
                    "image": "x",
                    "ports": [{"containerPort": 1}],
                    "resources": {"limits": {"cpu": "1"}},
                    "livenessProbe": probe(),
                    "lifecycle": {},
                    "volumeMounts": [{"name": "shared", "mountPath": "/d", "subPath": "s"}],
                }
            ]
        ),
        [
            f"spec.ephemeralContainers[0].{field}: Forbidden: cannot be set for an Ephemeral Container"
            for field in ("ports", "resources", "livenessProbe", "lifecycle", "volumeMounts[0].subPath")
        ]
        + ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
    ),
    "15 no handler": (
        main(livenessProbe={}),
        [f"{MAIN}.livenessProbe: Required value: must specify a handler type"],
    ),
    "15 two handlers": (
        main(livenessProbe=probe(httpGet={"port": 80})),
        [f"{MAIN}.livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type"],
    ),
    "15 an empty hook": (
        main(lifecycle={"postStart": {}}),
        [f"{MAIN}.lifecycle.postStart: Required value: must specify a handler type"],
    ),
    "16 successes of liveness and startup": (
        main(livenessProbe=probe(successThreshold=2), startupProbe=probe(successThreshold=3)),
        [
            f"{MAIN}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
            f"{MAIN}.startupProbe.successThreshold: Invalid value: 3: must be 1",
        ],
    ),
    "17 grace of a readiness probe": (
        main(readinessProbe=probe(terminationGracePeriodSeconds=5)),
        [
            (
                f"{MAIN}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: "
                "must not be set for readinessProbes"
            )
        ],
    ),
    "17 grace of a liveness probe": (
        main(livenessProbe=probe(terminationGracePeriodSeconds=0)),
        [f"{MAIN}.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0"],
    ),
    "18 negative numbers": (
        main(readinessProbe=probe(initialDelaySeconds=-1, failureThreshold=-3)),
        [
            f"{MAIN}.readinessProbe.initialDelaySeconds: Invalid value: -1: must be greater than or equal to 0",
            f"{MAIN}.readinessProbe.failureThreshold: Invalid value: -3: must be greater than or equal to 0",
        ],
    ),
    "19 exec": (
        main(livenessProbe={"exec": {}}),
        [f"{MAIN}.livenessProbe.exec.command: Required value"],
    ),
    "19 httpGet": (
        main(
            livenessProbe={
                "httpGet": {"port": 0, "scheme": "FTP", "httpHeaders": [{"name": "a b", "value": ""}]}
            }
        ),
        [
            f"{MAIN}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
            f'{MAIN}.livenessProbe.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
            (
                f'{MAIN}.livenessProbe.httpGet.httpHeaders: Invalid value: "a b": a valid HTTP header must consist '
                "of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is "
                "'[-A-Za-z0-9]+')"
            ),
        ],
    ),
    "19 a port by name": (
        main(livenessProbe={"httpGet": {"port": "8080"}}),
        [f'{MAIN}.livenessProbe.httpGet.port: Invalid value: "8080": must contain at least one letter (a-z)'],
    ),
    "20 sleeping longer than the grace": (
        main(lifecycle={"preStop": {"sleep": {"seconds": 31}}}),
        [
            (
                f"{MAIN}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
                "terminationGracePeriodSeconds (30)"
            )
        ],
    ),
    "20 sleeping not at all": (main(lifecycle={"preStop": {"sleep": {"seconds": 0}}}), []),
    "21 grpc and tcp ports": (
        main(livenessProbe={"grpc": {"port": 70000}}, readinessProbe={"tcpSocket": {"port": -1}}),
        [
            f"{MAIN}.livenessProbe.grpc.port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            f"{MAIN}.readinessProbe.tcpSocket.port: Invalid value: -1: must be between 1 and 65535, inclusive",
        ],
    ),
    "22 a stop signal is dropped": (main(lifecycle={"stopSignal": "SIGUSR1"}), []),
    "23 ports": (
        main(
            ports=[
                {"containerPort": 0},
                {"containerPort": 65536, "hostPort": -1, "protocol": "ICMP"},
                {"containerPort": 1, "name": "-UPPER--and-longer-"},
                {"containerPort": 2, "name": "web"},
                {"containerPort": 3, "name": "web"},
            ]
        ),
        [
            f"{MAIN}.ports[0].containerPort: Required value",
            f"{MAIN}.ports[1].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
            f"{MAIN}.ports[1].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive",
            f'{MAIN}.ports[1].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
            *(
                f'{MAIN}.ports[2].name: Invalid value: "-UPPER--and-longer-": {wrong}'
                for wrong in (
                    "must be no more than 15 bytes",
                    "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                    "must not contain consecutive hyphens",
                    "must not begin or end with a hyphen",
                )
            ),
            f'{MAIN}.ports[4].name: Duplicate value: "web"',
        ],
    ),
    "24 one host port twice": (
        {
            "spec": {
                "containers": [
                    {"ports": [{"containerPort": 1, "hostPort": 8080}]},
                    {"name": "b", "image": "x", "ports": [{"containerPort": 2, "hostPort": 8080}]},
                ],
                "initContainers": [{"ports": [{"containerPort": 3, "hostPort": 8080}]}],
            }
        },
        ['spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//8080"'],
    ),
    "24 host network": (
        {"spec": {"hostNetwork": True, "containers": [{"ports": [{"containerPort": 1, "hostPort": 2}]}]}},
        [
            f"{MAIN}.ports[0].hostPort: Invalid value: 2: must match `containerPort` when `hostNetwork` is true"
        ],
    ),
    "25 a variable without a name": (env(name=""), [f"{MAIN}.env[0].name: Required value"]),
    "25 a variable's name": (
        env(name="A=B"),
        [
            (
                f'{MAIN}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of '
                "printable ASCII characters other than '='"
            )
        ],
    ),
    "25 a variable twice, and an odd name": (main(env=[{"name": "1.a b"}, {"name": "1.a b"}]), []),
    "26 value and valueFrom": (
        env(value="x", valueFrom={"fieldRef": {"fieldPath": "metadata.name"}}),
        [f'{MAIN}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    "26 two sources": (
        env(
            valueFrom={
                "fieldRef": {"fieldPath": "metadata.name"},
                "secretKeyRef": {"name": "s", "key": "k"},
            }
        ),
        [f'{MAIN}.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time'],
    ),
    "26 no source": (
        env(valueFrom={}),
        [
            (
                f'{MAIN}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, '
                "`configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
            )
        ],
    ),
    "27 a field that is none": (
        env(valueFrom={"fieldRef": {"fieldPath": "spec.image"}}),
        [
            (
                f'{MAIN}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.image": '
                "error converting fieldPath: field label not supported: spec.image"
            )
        ],
    ),
    "27 a field for volumes only": (
        env(valueFrom={"fieldRef": {"fieldPath": "metadata.labels"}}),
        [
            (
                f'{MAIN}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "metadata.labels": supported '
                'values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", '
                '"spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"'
            )
        ],
    ),
    "27 a subscript": (
        env(valueFrom={"fieldRef": {"fieldPath": "metadata.name['a']"}}),
        [
            (
                f"{MAIN}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"metadata.name['a']\": error "
                "converting fieldPath: field label does not support subscript: metadata.name['a']"
            )
        ],
    ),
    "27 one label": (env(valueFrom={"fieldRef": {"fieldPath": "metadata.labels['app']"}}), []),
    "28 a resource": (
        env(valueFrom={"resourceFieldRef": {"resource": "limits.gpu"}}),
        [
            (
                f'{MAIN}.env[0].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported '
                'values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", '
                '"requests.ephemeral-storage", "requests.memory"'
            )
        ],
    ),
    "28 a divisor": (
        main(
            env=[
                {
                    "name": "A",
                    "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "10m"}},
                },
                {
                    "name": "B",
                    "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "2"}},
                },
                {
                    "name": "C",
                    "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}},
                },
            ]
        ),
        [
            (
                f'{MAIN}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": '
                "only divisor's values 1m and 1 are supported with the cpu resource"
            ),
            (
                f'{MAIN}.env[1].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.memory": '
                f"only divisor's values {BYTES} are supported with the memory resource"
            ),
        ],
    ),
    "29 a reference to a key": (
        main(
            env=[
                {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "My", "key": "a/b"}}},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "..x"}}},
            ]
        ),
        [
            f'{MAIN}.env[0].valueFrom.configMapKeyRef.name: Invalid value: "My": {SUBDOMAIN}',
            f'{MAIN}.env[0].valueFrom.configMapKeyRef.key: Invalid value: "a/b": {CONFIG_KEY}',
            f"{MAIN}.env[1].valueFrom.secretKeyRef.key: Required value",
            f"{MAIN}.env[2].valueFrom.secretKeyRef.key: Invalid value: \"..x\": must not start with '..'",
        ],
    ),
    "30 envFrom": (
        main(
            envFrom=[
                {},
                {"configMapRef": {"name": "c"}, "secretRef": {"name": ""}},
                {"prefix": "é", "secretRef": {"name": "s"}},
            ]
        ),
        [
            f'{MAIN}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
            f"{MAIN}.envFrom[1].secretRef.name: Required value",
            f'{MAIN}.envFrom: Invalid value: "": may not have more than one field specified at a time',
            (
                f'{MAIN}.envFrom[2].prefix: Invalid value: "é": a valid environment variable name must consist only '
                "of printable ASCII characters other than '='"
            ),
        ],
    ),
    "31 a key of a file": (
        main(
            env=[
                {
                    "name": "A",
                    "valueFrom": {"fileKeyRef": {"key": "A", "path": "env", "volumeName": "gone"}},
                },
                {
                    "name": "B",
                    "valueFrom": {"fileKeyRef": {"key": "A", "path": "env", "volumeName": "files"}},
                },
                {
                    "name": "C",
                    "valueFrom": {"fileKeyRef": {"key": "A", "path": "env", "volumeName": "shared"}},
                },
            ]
        ),
        [
            f'{MAIN}.env[0].valueFrom.fileKeyRef.volumeName: Not found: "gone"',
            (
                f'{MAIN}.env[1].valueFrom.fileKeyRef.volumeName: Invalid value: "files": '
                "referenced volume must be of type emptyDir"
            ),
        ],
    ),
}


@pytest.mark.parametrize(("change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_small_change_gives_exactly_kubernetes_errors(change: Tree, expected: list[str]) -> None:
    assert errors_of(change) == expected
