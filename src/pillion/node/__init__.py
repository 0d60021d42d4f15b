"""The kubelet: pod workers that let the pure middle meet the drivers. Knows nothing of an API server or a store."""

from pillion.node.drivers import Drivers
from pillion.node.node import Node
from pillion.node.persistence import SavedPod
from pillion.node.seams import StatusWriter
from pillion.node.worker import PodWorker

__all__ = ["Drivers", "Node", "PodWorker", "SavedPod", "StatusWriter"]
