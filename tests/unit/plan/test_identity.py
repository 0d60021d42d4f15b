import msgspec
import pytest
from tests.unit.plan.builders import IMAGE, a_pod

from pillion.plan.containerspec import GroupEntry, Identity, PasswdEntry
from pillion.plan.identity import resolve_identity
from pillion.plan.references import ConfigError

PASSWD = (
    PasswdEntry("root", 0, 0, "/root"),
    PasswdEntry("app", 1000, 1001, "/home/app"),
)
GROUPS = (
    GroupEntry("root", 0, ("root",)),
    GroupEntry("app", 1001, ("app",)),
    GroupEntry("logs", 50000, ("other", "app")),
    GroupEntry("wheel", 10, ("root",)),
)


def identity(image_user, for_pod, own):
    pod = a_pod(container={"securityContext": own}, securityContext=for_pod)
    image = msgspec.structs.replace(IMAGE, user=image_user, passwd=PASSWD, groups=GROUPS)
    return resolve_identity(pod, pod.spec.containers[0], image)


@pytest.mark.parametrize(
    ("image_user", "for_pod", "own", "expected"),
    [
        ("", {}, {}, Identity(uid=0, gid=0, groups=(10,))),
        ("app", {}, {}, Identity(uid=1000, gid=1001, groups=(50000,))),
        ("1000", {}, {}, Identity(uid=1000, gid=1001, groups=(50000,))),
        ("2000", {}, {}, Identity(uid=2000, gid=0, groups=())),
        # The group in the image's USER is not handed on: containerd issue 11607.
        ("2000:3000", {}, {}, Identity(uid=2000, gid=0, groups=())),
        ("app:logs", {}, {}, Identity(uid=1000, gid=1001, groups=(50000,))),
        ("app", {"runAsUser": 5}, {}, Identity(uid=5, gid=0, groups=())),
        (
            "app",
            {"runAsUser": 5},
            {"runAsUser": 1000},
            Identity(uid=1000, gid=1001, groups=(50000,)),
        ),
        ("app", {"runAsUser": 5}, {"runAsUser": 0}, Identity(uid=0, gid=0, groups=(10,))),
        ("", {"runAsGroup": 6}, {}, Identity(uid=0, gid=6, groups=(10,))),
        (
            "",
            {"runAsUser": 5, "runAsGroup": 6},
            {"runAsGroup": 7},
            Identity(uid=5, gid=7, groups=()),
        ),
        (
            "app",
            {"supplementalGroups": [9, 8], "fsGroup": 7},
            {},
            Identity(uid=1000, gid=1001, groups=(7, 8, 9, 50000)),
        ),
        (
            "app",
            {"supplementalGroups": [9, 1001], "fsGroup": 7, "supplementalGroupsPolicy": "Strict"},
            {},
            Identity(uid=1000, gid=1001, groups=(7, 9)),
        ),
        (
            "app",
            {"supplementalGroups": [9], "supplementalGroupsPolicy": "Merge"},
            {},
            Identity(uid=1000, gid=1001, groups=(9, 50000)),
        ),
        ("1000", {"runAsNonRoot": True}, {}, Identity(uid=1000, gid=1001, groups=(50000,))),
        ("app", {"runAsNonRoot": True}, {"runAsUser": 5}, Identity(uid=5, gid=0, groups=())),
        (
            "",
            {"runAsNonRoot": True},
            {"runAsNonRoot": False},
            Identity(uid=0, gid=0, groups=(10,)),
        ),
    ],
)
def test_the_first_process_is(image_user, for_pod, own, expected):
    assert identity(image_user, for_pod, own) == expected


WHERE = '(pod: "p_ns(uid-1)", container: c)'


@pytest.mark.parametrize(
    ("image_user", "for_pod", "own", "reason", "message"),
    [
        (
            "app",
            {"runAsNonRoot": True},
            {"runAsUser": 0},
            "CreateContainerConfigError",
            f"container's runAsUser breaks non-root policy {WHERE}",
        ),
        (
            "",
            {"runAsNonRoot": True},
            {},
            "CreateContainerConfigError",
            f"container has runAsNonRoot and image will run as root {WHERE}",
        ),
        (
            "0:5",
            {},
            {"runAsNonRoot": True},
            "CreateContainerConfigError",
            f"container has runAsNonRoot and image will run as root {WHERE}",
        ),
        (
            "app:app",
            {"runAsNonRoot": True},
            {},
            "CreateContainerConfigError",
            (
                f"container has runAsNonRoot and image has non-numeric user (app), "
                f"cannot verify user is non-root {WHERE}"
            ),
        ),
        ("nobody", {}, {}, "CreateContainerError", "failed to create containerd container: no users found"),
    ],
)
def test_who_may_not_be_or_does_not_exist_is_refused(image_user, for_pod, own, reason, message):
    with pytest.raises(ConfigError) as caught:
        identity(image_user, for_pod, own)
    assert (caught.value.reason, str(caught.value)) == (reason, message)
