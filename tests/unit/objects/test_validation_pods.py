"""Rules of volumes, resources and the pod as a whole: one small change a row, the exact errors."""

from __future__ import annotations

import pytest
from tests.unit.objects.basepod import (
    LABEL,
    LABEL_VALUE,
    MAIN,
    QUALIFIED,
    SUBDOMAIN,
    VOLUME,
    Tree,
    errors_of,
    main,
    mount,
    pod_with,
    spec,
    volume,
)

from pillion.objects.validation import validate

RULES: dict[str, tuple[Tree, list[str]]] = {
    "32 volume names": (
        spec(volumes=[{"name": ""}, {"name": "A"}, {"name": "b"}, {"name": "b"}]),
        [
            "spec.volumes[0].name: Required value",
            f'spec.volumes[1].name: Invalid value: "A": {LABEL}',
            'spec.volumes[3].name: Duplicate value: "b"',
        ],
    ),
    "33 two sources of a volume": (
        volume(emptyDir={}, configMap={"name": "c"}),
        [f"{VOLUME}.configMap: Forbidden: may not specify more than 1 volume type"],
    ),
    "34 what a source needs": (
        spec(
            volumes=[
                {"name": "a", "emptyDir": None, "configMap": {"items": [{"key": "", "path": "../x"}]}},
                {"name": "b", "configMap": None, "secret": {"items": [{"key": "k", "path": "/x"}]}},
                {"name": "c", "hostPath": {"path": ""}},
                {"name": "d", "configMap": {"name": "c", "items": [{"key": "k", "path": "..x"}]}},
                {"name": "e", "persistentVolumeClaim": {}},
            ]
        ),
        [
            "spec.volumes[0].configMap.name: Required value",
            "spec.volumes[0].configMap.items[0].key: Required value",
            "spec.volumes[0].configMap.items[0].path: Invalid value: \"../x\": must not contain '..'",
            "spec.volumes[1].secret.secretName: Required value",
            'spec.volumes[1].secret.items[0].path: Invalid value: "/x": must be a relative path',
            "spec.volumes[2].hostPath.path: Required value",
            "spec.volumes[3].configMap.items[0].path: Invalid value: \"..x\": must not start with '..'",
            "spec.volumes[4].persistentVolumeClaim.claimName: Required value",
        ],
    ),
    "35 modes": (
        volume(
            secret={"secretName": "s", "defaultMode": 512, "items": [{"key": "k", "path": "p", "mode": -1}]}
        ),
        [
            (
                f"{VOLUME}.secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both "
                "inclusive"
            ),
            (
                f"{VOLUME}.secret.items[0].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both "
                "inclusive"
            ),
        ],
    ),
    "36 host paths": (
        volume(hostPath={"path": "/a/../b", "type": "Folder"}),
        [
            f"{VOLUME}.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
            (
                f'{VOLUME}.hostPath.type: Unsupported value: "Folder": supported values: "", "BlockDevice", '
                '"CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"'
            ),
        ],
    ),
    "37 a negative size": (
        volume(emptyDir={"sizeLimit": "-1Mi"}),
        [f"{VOLUME}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity"],
    ),
    "38 projections": (
        spec(
            serviceAccountName="agent",
            volumes=[
                {
                    "name": "p",
                    "emptyDir": None,
                    "projected": {
                        "sources": [
                            {"secret": {"name": "s", "items": [{"key": "k", "path": "x"}]}},
                            {"configMap": {"name": "c", "items": [{"key": "k", "path": "x"}]}},
                            {"secret": {"name": "s"}, "configMap": {"name": "c"}},
                            {"serviceAccountToken": {"expirationSeconds": 599}},
                            {"downwardAPI": {"items": [{"path": "f"}]}},
                        ]
                    },
                }
            ],
        ),
        [
            f'{VOLUME}.projected: Invalid value: "c": conflicting duplicate paths',
            f"{VOLUME}.projected.sources[2]: Forbidden: may not specify more than 1 volume type per source",
            (
                f"{VOLUME}.projected.sources[3].serviceAccountToken.expirationSeconds: Invalid value: 599: "
                "may not specify a duration less than 10 minutes"
            ),
            f"{VOLUME}.projected.path: Required value",
            (
                f"{VOLUME}.projected.sources[4].downwardAPI: Required value: "
                "one of fieldRef and resourceFieldRef is required"
            ),
        ],
    ),
    "38 a token needs an account": (
        volume(projected={"sources": [{"serviceAccountToken": {"path": "token"}}]}),
        [
            (
                f"{VOLUME}.projected.sources[0].serviceAccountToken: Forbidden: "
                "must not be specified when serviceAccountName is not set"
            )
        ],
    ),
    "38 a container has to be named in a volume": (
        volume(downwardAPI={"items": [{"path": "f", "resourceFieldRef": {"resource": "limits.cpu"}}]}),
        [f"{VOLUME}.downwardAPI.resourceFieldRef.containerName: Required value"],
    ),
    "39 mounts": (
        main(
            volumeMounts=[
                {"name": "gone", "mountPath": "/a"},
                {"name": "shared", "mountPath": "/a"},
                {"name": "shared", "mountPath": ""},
                {"name": "shared", "mountPath": "/b", "subPath": "/x"},
                {"name": "shared", "mountPath": "/c", "subPath": "x", "subPathExpr": "$(A)/.."},
            ]
        ),
        [
            f'{MAIN}.volumeMounts[0].name: Not found: "gone"',
            f'{MAIN}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
            f"{MAIN}.volumeMounts[2].mountPath: Required value",
            f'{MAIN}.volumeMounts.subPath: Invalid value: "/x": must be a relative path',
            (
                f'{MAIN}.volumeMounts[4].subPathExpr: Invalid value: "$(A)/..": '
                "subPathExpr and subPath are mutually exclusive"
            ),
            f"{MAIN}.volumeMounts.subPathExpr: Invalid value: \"$(A)/..\": must not contain '..'",
        ],
    ),
    "39 a mount of a volume in error": (
        {"spec": {"volumes": [{"emptyDir": {"sizeLimit": "-1"}}], **mount()["spec"]}},
        [
            f"{VOLUME}.emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity",
            f'{MAIN}.volumeMounts[0].name: Not found: "shared"',
        ],
    ),
    "40 propagation": (
        mount(mountPropagation="Bidirectional"),
        [
            (
                f"{MAIN}.volumeMounts.mountPropagation: Forbidden: "
                "Bidirectional mount propagation is available only to privileged containers"
            )
        ],
    ),
    "40 recursive read-only": (
        mount(recursiveReadOnly="Enabled"),
        [f"{MAIN}.volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true"],
    ),
    "41 an unknown resource": (
        main(resources={"limits": {"gpu": "1"}}),
        [
            f'{MAIN}.resources.limits[gpu]: Invalid value: "gpu": {wrong}'
            if where == "limits"
            else f'{MAIN}.resources.requests[gpu]: Invalid value: "gpu": {wrong}'
            for where in ("limits", "requests")
            for wrong in (
                "must be a standard resource type or fully qualified",
                "must be a standard resource for containers",
            )
        ],
    ),
    "41 a negative amount": (
        main(resources={"requests": {"cpu": "-1"}}),
        [f'{MAIN}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0'],
    ),
    "41 more than the limit": (
        main(resources={"requests": {"cpu": "200m"}, "limits": {"cpu": "0.1"}}),
        [
            f'{MAIN}.resources.requests: Invalid value: "200m": must be less than or equal to cpu limit of 100m'
        ],
    ),
    "41 extended resources": (
        main(
            resources={
                "requests": {"example.com/gpu": "1", "example.com/tpu": "2"},
                "limits": {"example.com/gpu": "2", "example.com/npu": "0.5"},
            }
        ),
        [
            f'{MAIN}.resources.limits[example.com/npu]: Invalid value: "500m": must be an integer',
            f'{MAIN}.resources.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2',
            f'{MAIN}.resources.requests[example.com/npu]: Invalid value: "500m": must be an integer',
            f"{MAIN}.resources.limits: Required value: Limit must be set for non overcommitable resources",
        ],
    ),
    "41 huge pages": (
        main(resources={"limits": {"hugepages-2Mi": "3Mi"}}),
        [
            (
                f'{MAIN}.resources.limits[hugepages-2Mi]: Invalid value: "3Mi": '
                "3Mi is not positive integer multiple of hugepages-2Mi"
            ),
            (
                f'{MAIN}.resources.requests[hugepages-2Mi]: Invalid value: "3Mi": '
                "3Mi is not positive integer multiple of hugepages-2Mi"
            ),
            f"{MAIN}.resources: Forbidden: HugePages require cpu or memory",
        ],
    ),
    "42 pod-level resources": (
        {
            "spec": {
                "resources": {"requests": {"cpu": "1", "ephemeral-storage": "1Gi"}, "limits": {"cpu": "2"}},
                "containers": [{"resources": {"requests": {"cpu": "1500m"}, "limits": {"cpu": "3"}}}],
            }
        },
        [
            (
                'spec.resources.requests[ephemeral-storage]: Unsupported value: "ephemeral-storage": '
                'supported values: "cpu", "hugepages-", "memory"'
            ),
            (
                'spec.resources.requests[cpu]: Invalid value: "1": '
                "must be greater than or equal to aggregate container requests of 1500m"
            ),
            (
                'spec.resources.containers[0][cpu].limits: Invalid value: "3": '
                "must be less than or equal to pod limits of 2"
            ),
        ],
    ),
    "43 a deadline": (
        spec(activeDeadlineSeconds=0),
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    "44 a negative grace": (spec(terminationGracePeriodSeconds=-1), []),
    "45 the DNS policy": (
        spec(dnsPolicy="Cluster"),
        [
            (
                'spec.dnsPolicy: Unsupported value: "Cluster": supported values: "ClusterFirstWithHostNet", '
                '"ClusterFirst", "Default", "None"'
            )
        ],
    ),
    "45 no DNS at all": (
        spec(dnsPolicy="None"),
        ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
    ),
    "45 no name server": (
        spec(dnsPolicy="None", dnsConfig={}),
        [
            (
                "spec.dnsConfig.nameservers: Required value: "
                "must provide at least one DNS nameserver when `dnsPolicy` is None"
            )
        ],
    ),
    "45 name servers": (
        spec(dnsConfig={"nameservers": ["1.1.1.1", "010.0.0.1", "x", "::1"], "options": [{"value": "1"}]}),
        [
            (
                'spec.dnsConfig.nameservers: Invalid value: ["1.1.1.1","010.0.0.1","x","::1"]: '
                "must not have more than 3 nameservers"
            ),
            (
                'spec.dnsConfig.nameservers[2]: Invalid value: "x": '
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            ),
            "spec.dnsConfig.options[0]: Required value: must not be empty",
        ],
    ),
    "46 host names": (
        spec(hostname="a.b", subdomain="C", hostAliases=[{"ip": "1.2.3", "hostnames": ["ok", "NO"]}]),
        [
            'spec.hostname: Invalid value: "a.b": must not contain dots',
            f'spec.subdomain: Invalid value: "C": {LABEL}',
            (
                'spec.hostAliases[0].ip: Invalid value: "1.2.3": '
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            ),
            f'spec.hostAliases[0].hostnames[1]: Invalid value: "NO": {SUBDOMAIN}',
        ],
    ),
    "46 a long host name": (
        spec(hostnameOverride="a" * 65),
        ["spec.hostnameOverride: Too long: may not be more than 64 bytes"],
    ),
    "47 names of others": (
        spec(serviceAccountName="A", nodeName="B", priorityClassName="C", runtimeClassName="D"),
        [
            f'spec.serviceAccountName: Invalid value: "A": {SUBDOMAIN}',
            f'spec.nodeName: Invalid value: "B": {SUBDOMAIN}',
            f'spec.priorityClassName: Invalid value: "C": {SUBDOMAIN}',
            f'spec.runtimeClassName: Invalid value: "D": {SUBDOMAIN}',
        ],
    ),
    "48 labels and annotations": (
        {
            "metadata": {"labels": {"a b": "c d"}, "annotations": {"-": "x" * (256 * 1024)}},
            "spec": {"nodeSelector": {"/x": "y" * 64}},
        },
        [
            f'metadata.labels: Invalid value: "a b": {QUALIFIED}',
            f'metadata.labels: Invalid value: "c d": {LABEL_VALUE}',
            f'metadata.annotations: Invalid value: "-": {QUALIFIED}',
            "metadata.annotations: Too long: may not be more than 262144 bytes",
            'spec.nodeSelector: Invalid value: "/x": prefix part must be non-empty',
            f'spec.nodeSelector: Invalid value: "{"y" * 64}": must be no more than 63 bytes',
        ],
    ),
    "49 tolerations": (
        spec(
            tolerations=[
                {"operator": "Exists", "value": "v"},
                {"effect": "Never"},
                {"key": "k", "operator": "Like"},
                {"key": "k", "tolerationSeconds": 3, "effect": "NoSchedule"},
            ]
        ),
        [
            (
                'spec.tolerations[0].operator: Invalid value: "v": '
                "value must be empty when `operator` is 'Exists'"
            ),
            (
                'spec.tolerations[1].operator: Invalid value: "": operator must be Exists when `key` is empty, '
                'which means "match all values and all keys"'
            ),
            (
                'spec.tolerations[1].effect: Unsupported value: "Never": supported values: "NoSchedule", '
                '"PreferNoSchedule", "NoExecute"'
            ),
            'spec.tolerations[2].operator: Unsupported value: "Like": supported values: "Equal", "Exists"',
            (
                'spec.tolerations[3].effect: Invalid value: "NoSchedule": '
                "effect must be 'NoExecute' when `tolerationSeconds` is set"
            ),
        ],
    ),
    "50 users and groups": (
        {
            "spec": {
                "securityContext": {"runAsUser": -1, "fsGroup": 2**31, "supplementalGroups": [0, -2]},
                "containers": [{"securityContext": {"runAsGroup": -3}}],
            }
        },
        [
            f"{MAIN}.securityContext.runAsGroup: Invalid value: -3: must be between 0 and 2147483647, inclusive",
            (
                "spec.securityContext.fsGroup: Invalid value: 2147483648: "
                "must be between 0 and 2147483647, inclusive"
            ),
            "spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
            (
                "spec.securityContext.supplementalGroups[1]: Invalid value: -2: "
                "must be between 0 and 2147483647, inclusive"
            ),
        ],
    ),
    "50 two process namespaces": (
        spec(shareProcessNamespace=True, hostPID=True),
        [
            (
                "spec.securityContext.shareProcessNamespace: Invalid value: true: "
                "ShareProcessNamespace and HostPID cannot both be enabled"
            )
        ],
    ),
    "50 escalation": (
        main(securityContext={"allowPrivilegeEscalation": False, "privileged": True}),
        [
            (
                f'{MAIN}.securityContext: Invalid value: {{"Capabilities":null,"Privileged":true,'
                '"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,'
                '"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,'
                '"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: '
                "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            )
        ],
    ),
    "50 profiles": (
        {
            "spec": {
                "securityContext": {"seccompProfile": {"type": "Localhost"}},
                "containers": [
                    {
                        "securityContext": {
                            "seccompProfile": {"type": "RuntimeDefault", "localhostProfile": "p"},
                            "appArmorProfile": {"type": "Custom"},
                            "procMount": "Unmasked",
                        }
                    }
                ],
            }
        },
        [
            (
                f'{MAIN}.securityContext.procMount: Invalid value: "Unmasked": '
                "`hostUsers` must be false to use `Unmasked`"
            ),
            (
                f"{MAIN}.securityContext.seccompProfile.localhostProfile: Invalid value: "
                '{"Type":"RuntimeDefault","LocalhostProfile":"p"}: can only be set when seccomp type is Localhost'
            ),
            (
                f'{MAIN}.securityContext.appArmorProfile.type: Unsupported value: "Custom": supported values: '
                '"Localhost", "RuntimeDefault", "Unconfined"'
            ),
            (
                "spec.securityContext.seccompProfile.localhostProfile: Required value: "
                "must be set when seccomp type is Localhost"
            ),
        ],
    ),
    "51 sysctls": (
        spec(
            hostNetwork=True,
            securityContext={
                "sysctls": [
                    {"name": "kernel.sem", "value": "1"},
                    {"name": "kernel.sem", "value": "2"},
                    {"name": "Net", "value": "1"},
                    {"name": "net/ipv4/tcp_syncookies", "value": "1"},
                    {"name": "", "value": "1"},
                ]
            },
        ),
        [
            'spec.securityContext.sysctls[1].name: Duplicate value: "kernel.sem"',
            (
                'spec.securityContext.sysctls[2].name: Invalid value: "Net": must have at most 253 characters and '
                r"match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
            ),
            (
                'spec.securityContext.sysctls[3].name: Invalid value: "net/ipv4/tcp_syncookies": '
                "may not be specified when 'hostNetwork' is true"
            ),
            "spec.securityContext.sysctls[4].name: Required value",
        ],
    ),
    "52 a user namespace": (
        spec(hostUsers=False, hostNetwork=True, hostPID=True, hostIPC=True),
        [
            "spec.hostNetwork: Forbidden: when `pod.Spec.HostUsers` is false",
            "spec.HostPID: Forbidden: when `pod.Spec.HostUsers` is false",
            "spec.HostIPC: Forbidden: when `pod.Spec.HostUsers` is false",
        ],
    ),
    "53 readiness gates": (
        spec(readinessGates=[{"conditionType": "example.com/ok"}, {"conditionType": "!"}]),
        [f'spec.readinessGates[1].conditionType: Invalid value: "!": {QUALIFIED}'],
    ),
    "54 scheduling gates": (
        spec(schedulingGates=[{"name": "a"}, {"name": "a"}], nodeName="n"),
        [
            'spec.schedulingGates[1]: Duplicate value: "a"',
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        ],
    ),
    "55 overhead and preemption": (
        spec(overhead={"pets": "1"}, preemptionPolicy="Maybe"),
        [
            (
                'spec.preemptionPolicy: Unsupported value: "Maybe": '
                'supported values: "PreemptLowerPriority", "Never"'
            ),
            (
                'spec.overhead.limits[pets]: Invalid value: "pets": '
                "must be a standard resource type or fully qualified"
            ),
            'spec.overhead.limits[pets]: Invalid value: "pets": must be a standard resource for containers',
        ],
    ),
    "56 affinity": (
        spec(
            affinity={
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}},
                "podAntiAffinity": {
                    "preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 0, "podAffinityTerm": {"topologyKey": "zone"}}
                    ]
                },
            }
        ),
        [
            (
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: "
                "Required value: must have at least one node selector term"
            ),
            (
                "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: "
                "Invalid value: 0: must be in the range 1-100"
            ),
        ],
    ),
    "56 topology spread": (
        spec(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Wait"}]),
        [
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero",
            "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty",
            (
                'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Wait": '
                'supported values: "DoNotSchedule", "ScheduleAnyway"'
            ),
        ],
    ),
    "57 an operating system": (
        spec(os={"name": "plan9"}),
        ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'],
    ),
    "57 Windows knows no Linux fields": (
        {
            "spec": {
                "os": {"name": "windows"},
                "hostPID": True,
                "securityContext": {"runAsUser": 1},
                "containers": [{"securityContext": {"privileged": True}}],
            }
        },
        [
            "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod",
            "spec.hostPID: Forbidden: cannot be set for a windows pod",
            f"{MAIN}.securityContext.privileged: Forbidden: cannot be set for a windows pod",
        ],
    ),
    "57 Linux knows no Windows fields": (
        {"spec": {"os": {"name": "linux"}, "containers": [{"securityContext": {"windowsOptions": {}}}]}},
        [f"{MAIN}.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"],
    ),
}


def test_the_base_pod_is_valid() -> None:
    assert errors_of({}) == []


@pytest.mark.parametrize(("change", "expected"), RULES.values(), ids=RULES.keys())
def test_a_small_change_gives_exactly_kubernetes_errors(change: Tree, expected: list[str]) -> None:
    assert errors_of(change) == expected


def test_the_cause_names_the_type_of_the_error() -> None:
    (error,) = validate(pod_with(main(image="")))
    assert (error.type, error.field, error.body) == (
        "FieldValueRequired",
        "spec.containers[0].image",
        "Required value",
    )


def test_an_error_is_said_once() -> None:
    broken = volume(
        downwardAPI={"items": [{"path": "/a"}, {"path": "/a"}]},
    )
    errors = errors_of(broken)
    assert len(errors) == len(set(errors)) == 2


def test_go_quotes_strings_and_escapes_json() -> None:
    assert errors_of(main(imagePullPolicy='a"\n\x01')) == [
        (
            f'{MAIN}.imagePullPolicy: Unsupported value: "a\\"\\n\\x01": '
            'supported values: "Always", "IfNotPresent", "Never"'
        )
    ]
    nameservers = errors_of(spec(dnsConfig={"nameservers": ["<&>"] * 4}))
    assert nameservers[0].startswith('spec.dnsConfig.nameservers: Invalid value: ["\\u003c\\u0026\\u003e",')
