"""The summary of what pods use: rates between questions, nothing in the background."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.node_lab import Lab, live

from pillion.containers.usage import Usage
from pillion.node.serving import PodServer


def _usage(cpu_nanos: int) -> Usage:
    return Usage(
        cpu_nanos=cpu_nanos,
        memory_bytes=3 << 20,
        working_set_bytes=2 << 20,
        rss_bytes=1 << 20,
        page_faults=5,
        major_page_faults=1,
    )


def test_rates_are_means_since_the_question_before(tmp_path: Path) -> None:
    async def life(lab: Lab) -> None:
        server = PodServer(lab.drivers, lambda: lab.node.workers)
        worker = lab.run_pod(
            containers=[{"name": "main", "image": "box", "command": ["serve"]}],
            volumes=[{"name": "v", "emptyDir": {}}],
        )
        await lab.until(lambda: worker.record.phase == "Running")
        (seen,) = lab.runtime.containers(worker.uid)
        rates = []
        for seconds, used in ((10, 5.0), (20, 25.0), (1, 99.0), (20, 25.0)):
            await asyncio.sleep(seconds)
            lab.runtime.usages[seen.id] = lab.runtime.usages[worker.uid] = _usage(round(used * 1e9))
            summary = await server.stats()
            (pod,) = summary["pods"]
            (container,) = pod["containers"]
            rates.append(round(container["cpu"]["usageNanoCores"] / 1e9, 1))
        # Half a core since the start, one since the first question; a second is no measure; time went on, work did not.
        assert rates == [0.5, 1.0, 1.0, 0.0]
        assert pod["podRef"] == {"name": "pod", "namespace": "default", "uid": worker.uid}
        assert (container["name"], container["memory"]["workingSetBytes"]) == ("main", 2 << 20)
        assert [volume["name"] for volume in pod["volume"]] == ["v"]
        assert summary["node"]["nodeName"] == "node-1"
        assert summary["node"]["memory"]["workingSetBytes"] > 0
        worker.delete(0)
        await lab.until(lambda: lab.runtime.sandboxes(worker.uid) == ())
        assert (await server.stats())["pods"] == []

    live(tmp_path, life)
