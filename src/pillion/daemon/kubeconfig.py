"""Kubeconfig files: ours, and ours among others (client-go, tools/clientcmd/api/v1)."""

from __future__ import annotations

import base64
from typing import Any

import yaml

from pillion.errors import ManifestError

Tree = dict[str, Any]

NAME = "pillion"
"""Of the cluster, the user and the context."""


def build_kubeconfig(*, server: str, ca_pem: str, token: str) -> Tree:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": NAME,
                "cluster": {
                    "server": server,
                    "certificate-authority-data": base64.b64encode(ca_pem.encode()).decode(),
                },
            }
        ],
        "users": [{"name": NAME, "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }


def format_kubeconfig(config: Tree) -> str:
    return yaml.safe_dump(config, sort_keys=False)


def merge_kubeconfig(text: str, ours: Tree) -> str:
    """A user's file with our entries in the place of earlier ones of their names, and our context as the current one.

    What else the file says is kept; its comments are not. Raises ManifestError when it is no kubeconfig.
    """
    try:
        known = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ManifestError(f"cannot merge the kubeconfig: the file is not YAML: {error}") from None
    if not isinstance(known, dict) or known.get("kind", "Config") != "Config":
        raise ManifestError("cannot merge the kubeconfig: the file is none")
    merged = {"apiVersion": "v1", "kind": "Config"} | known
    for field in ("clusters", "users", "contexts"):
        entries = known.get(field) or []
        if not isinstance(entries, list):
            raise ManifestError(f"cannot merge the kubeconfig: its {field} are no list")
        own = ours[field]
        names = {entry["name"] for entry in own}
        merged[field] = [e for e in entries if not (isinstance(e, dict) and e.get("name") in names)] + own
    merged["current-context"] = ours["current-context"]
    return format_kubeconfig(merged)
