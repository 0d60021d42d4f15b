"""The composition root: configuration, the assembly of a node from its drivers, and a run from its first pod to its last."""
