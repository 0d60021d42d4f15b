"""Why a volume is not there: the one exception of this package, and how a host's refusal is worded."""


class VolumeError(Exception):
    """A volume cannot be set up. `str()` is what follows `MountVolume.SetUp failed for volume "v" : `."""


class SubPathError(Exception):
    """A subPath cannot be provided: the message of a container's `CreateContainerConfigError`."""


def host_reason(error: OSError) -> str:
    """The host's refusal as Go prints it: `/path: no space left on device`."""
    reason = error.strerror or str(error)
    reason = reason[:1].lower() + reason[1:]
    return f"{error.filename}: {reason}" if error.filename else reason
