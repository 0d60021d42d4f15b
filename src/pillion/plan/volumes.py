"""Which of a pod's volumes are used, and what is known of them from the spec alone."""

from pillion.objects.models import core_v1
from pillion.plan.pods import containers_of, spec_of


def mounted_volumes(pod: core_v1.Pod) -> tuple[core_v1.Volume, ...]:
    """The volumes some container uses, in the order of the spec: no others are set up.

    pkg/kubelet/volumemanager/populator: an unused volume that names a missing object does no harm. Files that
    `fileKeyRef` reads count as use.
    """
    used: set[str] = set()
    for _, container in containers_of(pod):
        used.update(mount.name for mount in container.volumeMounts or ())
        used.update(device.name for device in container.volumeDevices or ())
        for variable in container.env or ():
            if variable.valueFrom is not None and variable.valueFrom.fileKeyRef is not None:
                used.add(variable.valueFrom.fileKeyRef.volumeName)
    return tuple(volume for volume in spec_of(pod).volumes or () if volume.name in used)


def is_read_only(volume: core_v1.Volume) -> bool:
    """Mounted read-only whatever the mount says (volume plugins: GetAttributes().ReadOnly)."""
    claim = volume.persistentVolumeClaim
    return (
        volume.configMap is not None
        or volume.secret is not None
        or volume.downwardAPI is not None
        or volume.projected is not None
        or volume.image is not None
        or (claim is not None and bool(claim.readOnly))
    )
