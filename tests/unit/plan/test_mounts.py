import pytest
from tests.unit.plan.builders import STATE, a_pod

from pillion.plan.containerspec import Mount, Propagation
from pillion.plan.mounts import arrange_mounts, provided_files, volume_mounts
from pillion.plan.references import ConfigError
from pillion.plan.volumes import mounted_volumes

VOLUMES = [
    {"name": "empty", "emptyDir": {}},
    {"name": "host", "hostPath": {"path": "/srv/data"}},
    {"name": "cm", "configMap": {"name": "x"}},
    {"name": "secret", "secret": {"secretName": "x"}},
    {"name": "downward", "downwardAPI": {}},
    {"name": "projected", "projected": {"sources": []}},
]
EMPTY = "/var/lib/pillion/pods/uid-1/volumes/empty"


def mounts_of(*mounts, env=None):
    pod = a_pod(container={"volumeMounts": list(mounts)}, volumes=VOLUMES)
    return volume_mounts(pod, pod.spec.containers[0], env or {}, STATE)


def at_data(**fields):
    return {"name": "empty", "mountPath": "/data", **fields}


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        (at_data(), Mount(volume="empty", source=EMPTY, destination="/data")),
        (at_data(mountPath="data"), Mount(volume="empty", source=EMPTY, destination="/data")),
        (at_data(readOnly=True), Mount(volume="empty", source=EMPTY, destination="/data", read_only=True)),
        (at_data(subPath="a/b"), Mount(volume="empty", source=EMPTY, destination="/data", sub_path="a/b")),
        (
            at_data(subPathExpr="$(POD)/$$x"),
            Mount(volume="empty", source=EMPTY, destination="/data", sub_path="p/$x"),
        ),
        (
            at_data(mountPropagation="HostToContainer"),
            Mount(
                volume="empty", source=EMPTY, destination="/data", propagation=Propagation.HOST_TO_CONTAINER
            ),
        ),
        (
            at_data(mountPropagation="Bidirectional"),
            Mount(volume="empty", source=EMPTY, destination="/data", propagation=Propagation.BIDIRECTIONAL),
        ),
        (at_data(mountPropagation="None"), Mount(volume="empty", source=EMPTY, destination="/data")),
        (
            at_data(readOnly=True, recursiveReadOnly="Enabled"),
            Mount(
                volume="empty", source=EMPTY, destination="/data", read_only=True, recursive_read_only=True
            ),
        ),
        (
            at_data(readOnly=True, recursiveReadOnly="IfPossible"),
            Mount(
                volume="empty", source=EMPTY, destination="/data", read_only=True, recursive_read_only=True
            ),
        ),
        (
            at_data(readOnly=True, recursiveReadOnly="Disabled"),
            Mount(volume="empty", source=EMPTY, destination="/data", read_only=True),
        ),
        ({"name": "host", "mountPath": "/h"}, Mount(volume="host", source="/srv/data", destination="/h")),
    ],
)
def test_a_volume_mount_becomes_a_bind_mount(mount, expected):
    assert mounts_of(mount, env={"POD": "p"}) == (expected,)


@pytest.mark.parametrize("name", ["cm", "secret", "downward", "projected"])
def test_what_the_api_fills_is_read_only_whatever_the_mount_says(name):
    assert mounts_of({"name": name, "mountPath": "/x", "readOnly": False})[0].read_only is True


@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ({"name": "gone", "mountPath": "/x"}, 'cannot find volume "gone" to mount into container "c"'),
        (at_data(subPathExpr="$(NO)"), "missing value for NO"),
        (at_data(subPathExpr="$(Z)/$(EMPTY)/$(A)"), "missing value for A, EMPTY, Z"),
        (at_data(subPathExpr="$(ROOT)"), "error SubPath `/abs` must not be an absolute path"),
        (at_data(subPathExpr="a/$(UP)"), "unable to provision SubPath `a/..`: must not contain '..'"),
    ],
)
def test_a_mount_that_cannot_be_is_refused_in_kubernetes_words(mount, message):
    with pytest.raises(ConfigError) as caught:
        mounts_of(mount, env={"EMPTY": "", "ROOT": "/abs", "UP": ".."})
    assert (str(caught.value), caught.value.reason) == (message, "CreateContainerConfigError")


def files(*destinations, has_hosts_file=True, read_only_root=False):
    mounted = [Mount(source="/s", destination=d) for d in destinations]
    return {
        mount.destination: (mount.source, mount.read_only)
        for mount in provided_files(
            "uid-1", STATE, mounted=mounted, has_hosts_file=has_hosts_file, read_only_root=read_only_root
        )
    }


POD = "/var/lib/pillion/pods/uid-1"


@pytest.mark.parametrize(
    ("provided", "expected"),
    [
        (
            files(),
            {
                "/etc/hosts": (f"{POD}/etc-hosts", False),
                "/etc/hostname": (f"{POD}/hostname", False),
                "/etc/resolv.conf": (f"{POD}/resolv.conf", False),
            },
        ),
        (
            files("/etc/hosts", "/etc/resolv.conf/", "/etc"),
            {"/etc/hostname": (f"{POD}/hostname", False)},
        ),
        (
            files(has_hosts_file=False),
            {"/etc/hostname": (f"{POD}/hostname", False), "/etc/resolv.conf": (f"{POD}/resolv.conf", False)},
        ),
        (
            files(read_only_root=True),
            {
                "/etc/hosts": (f"{POD}/etc-hosts", False),
                "/etc/hostname": (f"{POD}/hostname", True),
                "/etc/resolv.conf": (f"{POD}/resolv.conf", True),
            },
        ),
    ],
)
def test_the_kubelets_files_are_mounted_unless_the_container_mounts_there_itself(provided, expected):
    assert provided == expected


def test_parents_are_mounted_before_what_lies_below_and_the_pod_wins_over_the_image():
    image = [Mount(source="/i1", destination="/app/"), Mount(source="/i2", destination="/lib")]
    pod = [
        Mount(source="/v1", destination="/data/cache/x"),
        Mount(source="/v2", destination="/app"),
        Mount(source="/v3", destination="/data"),
    ]
    assert [m.source for m in arrange_mounts(image, pod)] == ["/i2", "/v2", "/v3", "/v1"]


@pytest.mark.parametrize(
    ("spec", "used"),
    [
        ({}, []),
        (
            {"container": {"volumeMounts": [{"name": "host", "mountPath": "/h"}, at_data()]}},
            ["empty", "host"],
        ),
        ({"initContainers": [{"name": "i", "volumeMounts": [at_data()]}]}, ["empty"]),
        ({"ephemeralContainers": [{"name": "e", "volumeMounts": [at_data()]}]}, ["empty"]),
        (
            {
                "container": {
                    "env": [
                        {
                            "name": "A",
                            "valueFrom": {"fileKeyRef": {"volumeName": "empty", "path": "f", "key": "K"}},
                        }
                    ]
                }
            },
            ["empty"],
        ),
    ],
)
def test_only_used_volumes_are_set_up(spec, used):
    assert [volume.name for volume in mounted_volumes(a_pod(volumes=VOLUMES, **spec))] == used
