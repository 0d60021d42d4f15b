"""What real containers use, as their control groups count it."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from tests.runtime_lab import container_spec, open_oci_runtime, sandbox_spec, state_of

pytestmark = pytest.mark.host

UID = str(uuid.uuid4())


def test_a_container_is_charged_for_time_memory_and_disk(tmp_path: Path) -> None:
    script = "head -c 3000000 /dev/zero > /root/file; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 1000"
    done = "until test $(pgrep -c sleep) -gt 0; do :; done"

    async def whole() -> None:
        async with open_oci_runtime(tmp_path) as runtime, asyncio.timeout(20):
            await runtime.create_sandbox(sandbox_spec(pod_uid=UID))
            spec = container_spec(state_of(tmp_path), "main", "/bin/sh", "-c", script, pod_uid=UID)
            container_id = await runtime.create(spec)
            await runtime.start(container_id)
            await runtime.exec(container_id, ("/bin/sh", "-c", done), timeout=10)
            usage, whole_pod = runtime.usage(container_id), runtime.pod_usage(UID)
            assert usage is not None
            assert whole_pod is not None
            assert whole_pod.cpu_nanos >= usage.cpu_nanos > 10_000_000
            assert usage.memory_bytes >= usage.working_set_bytes > 0
            assert 3_000_000 <= await runtime.writable_bytes(container_id) < 4_000_000
            await runtime.remove_pod(UID)
            assert (runtime.usage(container_id), runtime.pod_usage(UID)) == (None, None)

    asyncio.run(whole())
