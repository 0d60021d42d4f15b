"""What the API shows of a pod: status, conditions, Events, and the columns of `kubectl get pods`.

It derives and never decides.
"""

from pillion.status.columns import PodRow, pod_row
from pillion.status.conditions import with_foreign_conditions
from pillion.status.describe import Addresses, describe
from pillion.status.events import build_event, field_path, repeat, same

__all__ = [
    "Addresses",
    "PodRow",
    "build_event",
    "describe",
    "field_path",
    "pod_row",
    "repeat",
    "same",
    "with_foreign_conditions",
]
