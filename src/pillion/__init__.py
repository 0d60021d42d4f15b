"""pillion runs an AI agent's Pod, native sidecars and all, on one machine exactly as Kubernetes will run it."""

__version__ = "0.1.0"
