"""Settings that this host may not be able to honour: then the container is refused, in Kubernetes' words."""

from __future__ import annotations

import pytest

from pillion.containers.devices import DEFAULT_APPARMOR_PROFILE, apparmor_profile, localhost_profile
from pillion.containers.propagation import check
from pillion.errors import HostError
from pillion.plan.containerspec import Mount, Propagation, Seccomp, Security

OURS = frozenset({"mine"})
WITH_DEFAULT = OURS | {DEFAULT_APPARMOR_PROFILE}


@pytest.mark.parametrize(
    ("asked", "loaded", "privileged", "chosen"),
    [
        (None, None, False, None),
        ("unconfined", None, False, None),
        ("unconfined", WITH_DEFAULT, False, None),
        (None, OURS, False, None),
        (None, WITH_DEFAULT, False, DEFAULT_APPARMOR_PROFILE),
        (None, WITH_DEFAULT, True, None),
        ("runtime/default", WITH_DEFAULT, False, DEFAULT_APPARMOR_PROFILE),
        ("runtime/default", OURS, True, None),
        ("localhost/mine", OURS, False, "mine"),
        ("localhost/mine", OURS, True, "mine"),
    ],
)
def test_the_apparmor_profile_is_containerds_choice(asked, loaded, privileged, chosen) -> None:
    assert apparmor_profile(Security(apparmor=asked, privileged=privileged), loaded) == chosen


@pytest.mark.parametrize(
    ("asked", "loaded", "complaint"),
    [
        ("runtime/default", None, "AppArmor is not enabled on the host"),
        ("localhost/mine", None, "AppArmor is not enabled on the host"),
        ("localhost/other", OURS, "apparmor profile not found other"),
        (
            "runtime/default",
            OURS,
            "apparmor profile not found cri-containerd.apparmor.d: pillion brings no default",
        ),
    ],
)
def test_an_apparmor_profile_that_cannot_be_had_is_refused(asked, loaded, complaint) -> None:
    said = "failed to get container spec opts: failed to generate apparmor spec opts"
    with pytest.raises(HostError, match=f"^{said}: {complaint}"):
        apparmor_profile(Security(apparmor=asked), loaded)


def test_a_seccomp_profile_that_is_not_there_is_refused() -> None:
    with pytest.raises(HostError) as told:
        localhost_profile(Seccomp(type="Localhost", localhost_profile="pillion-test/none.json"))
    path = "/var/lib/kubelet/seccomp/pillion-test/none.json"
    assert str(told.value) == (
        f'failed to create containerd container: cannot load seccomp profile "{path}": '
        f"open {path}: no such file or directory"
    )


MOUNTINFO = """\
1 0 254:0 / / rw - ext4 /dev/vda rw
2 1 254:1 / /shared rw shared:5 - ext4 /dev/vdb rw
3 2 254:1 / /shared/slave rw master:5 - ext4 /dev/vdb rw
4 1 254:1 / /both rw shared:7 master:5 - ext4 /dev/vdb rw
"""


@pytest.mark.parametrize(
    ("source", "propagation", "complaint"),
    [
        ("/data", Propagation.PRIVATE, None),
        ("/data", Propagation.HOST_TO_CONTAINER, 'mounted on "/" but it is not a shared or slave mount'),
        ("/data", Propagation.BIDIRECTIONAL, 'mounted on "/" but it is not a shared mount'),
        ("/shared/data", Propagation.HOST_TO_CONTAINER, None),
        ("/shared/data", Propagation.BIDIRECTIONAL, None),
        ("/sharedx", Propagation.BIDIRECTIONAL, 'mounted on "/" but it is not a shared mount'),
        ("/shared/slave/data", Propagation.HOST_TO_CONTAINER, None),
        (
            "/shared/slave",
            Propagation.BIDIRECTIONAL,
            'mounted on "/shared/slave" but it is not a shared mount',
        ),
        ("/both", Propagation.BIDIRECTIONAL, None),
    ],
)
def test_a_mount_that_is_to_travel_needs_a_shared_one_below(source, propagation, complaint) -> None:
    mounts = (Mount(source=source, destination="/m", propagation=propagation),)
    if complaint is None:
        check(mounts, MOUNTINFO)
        return
    with pytest.raises(HostError, match=complaint):
        check(mounts, MOUNTINFO)
