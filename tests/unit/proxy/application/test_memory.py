"""What Envoy may take of a container's memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillion.proxy.application.memory import container_limit, heap_bytes

MI = 1 << 20


@pytest.mark.parametrize(
    ("content", "limit"),
    [("134217728\n", 128 * MI), ("max\n", 0), ("9223372036854771712\n", 0), (None, 0)],
    ids=["a limit", "none in v2", "none in v1", "no such file"],
)
def test_the_limit_is_the_cgroups(content: str | None, limit: int, tmp_path: Path) -> None:
    file = tmp_path / "memory.max"
    if content is not None:
        file.write_text(content)
    assert container_limit((str(file),)) == limit


@pytest.mark.parametrize(("limit", "heap"), [(0, 0), (64 * MI, 32 * MI), (128 * MI, 80 * MI)])
def test_what_is_left_is_the_heap(limit: int, heap: int) -> None:
    assert heap_bytes(limit) == heap
