"""The composition root: configuration, a node assembled from its drivers, a run from its first pod to its last."""
