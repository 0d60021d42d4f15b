"""`python with_kr8s.py KUBECONFIG POD.json`: kr8s, from creation to deletion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import kr8s
from kr8s.objects import ConfigMap, Pod

SECONDS = 20


def main(kubeconfig: str, pod: dict[str, Any]) -> None:
    name = pod["metadata"]["name"]
    api = kr8s.api(kubeconfig=kubeconfig)
    config_map = ConfigMap({"metadata": {"name": name}, "data": {"a": "b"}}, api=api)
    config_map.create()
    made = Pod(pod, api=api)
    made.create()
    made.wait("condition=Ready", timeout=SECONDS)
    assert made.status.phase == "Running"
    assert list(made.logs(container="agent")) == ["started"]
    done = made.exec(["cat", "/var/log/agent/requests.log"], container="logging-sidecar")
    assert done.stdout == b"request\n"
    made.label({"a": "b"})
    assert [found.name for found in api.get("pods", label_selector="a=b")] == [name]
    config_map.patch({"data": {"a": "c"}})
    assert ConfigMap.get(name, api=api).data.a == "c"
    made.delete()
    made.wait("delete", timeout=SECONDS)
    assert not made.exists()
    config_map.delete()


if __name__ == "__main__":
    main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()))
