"""The API server: Kubernetes over HTTP for one machine. Knows resources and verbs; reaches the node by protocols."""
