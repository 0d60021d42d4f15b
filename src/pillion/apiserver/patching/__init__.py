"""Patches of plain trees, and who owns which field afterwards.

JSON patch, merge patch, strategic merge patch and server-side apply. Pure: knows no HTTP, no store and no clock, and
changes nothing in place.
"""

from pillion.apiserver.patching.bodies import parse_applied
from pillion.apiserver.patching.errors import Cause, PatchError
from pillion.apiserver.patching.patch import PatchContext, PatchType, apply_patch
from pillion.apiserver.patching.tracking import Target, manager_name, settle_times, track

__all__ = [
    "Cause",
    "PatchContext",
    "PatchError",
    "PatchType",
    "Target",
    "apply_patch",
    "manager_name",
    "parse_applied",
    "settle_times",
    "track",
]
