"""Sizes of volumes in memory and in huge pages."""

import pytest

from pillion.objects.models import core_v1
from pillion.volumes.emptydir import huge_page_bytes, memory_size
from pillion.volumes.failure import VolumeError

GIB = 1 << 30


@pytest.mark.parametrize(
    ("size_limit", "pod_limit", "expected"),
    [
        (None, None, 8 * GIB),
        ("1Gi", None, GIB),
        ("1Gi", GIB // 2, GIB // 2),
        ("100M", GIB, 100_000_000),
        ("16Gi", None, 8 * GIB),
        ("16Gi", 12 * GIB, 8 * GIB),
        ("0", GIB, GIB),  # zero is no limit
        ("1500m", None, 2),  # rounded up
    ],
)
def test_a_tmpfs_is_as_large_as_the_smallest_limit(
    size_limit: str | None, pod_limit: int | None, expected: int
) -> None:
    assert memory_size(size_limit, pod_limit, 8 * GIB) == expected


def pod(*requests: dict[str, str]) -> core_v1.Pod:
    containers = [
        core_v1.Container(name=f"c{number}", resources=core_v1.ResourceRequirements(requests=request))
        for number, request in enumerate(requests)
    ]
    return core_v1.Pod(spec=core_v1.PodSpec(containers=containers))


@pytest.mark.parametrize(
    ("medium", "requests", "expected"),
    [
        ("HugePages", [{"hugepages-2Mi": "4Mi"}], 2 << 20),
        ("HugePages", [{"hugepages-2Mi": "4Mi"}, {"hugepages-2Mi": "2Mi", "cpu": "1"}], 2 << 20),
        ("HugePages-1Gi", [{"hugepages-2Mi": "4Mi"}, {"hugepages-1Gi": "1Gi"}], 1 << 30),
    ],
)
def test_the_page_size_is_the_one_a_container_requests(
    medium: str, requests: list[dict[str, str]], expected: int
) -> None:
    assert huge_page_bytes(pod(*requests), medium) == expected


@pytest.mark.parametrize(
    ("medium", "requests", "message"),
    [
        (
            "HugePages",
            [{"hugepages-2Mi": "4Mi"}, {"hugepages-1Gi": "1Gi"}],
            "medium: HugePages can't be used if container requests multiple huge page sizes",
        ),
        (
            "HugePages-2Mi",
            [{"cpu": "1"}],
            "medium HugePages-2Mi: hugePages storage requested, but there is no resource request for huge pages",
        ),
    ],
)
def test_huge_pages_nobody_requested_are_refused(
    medium: str, requests: list[dict[str, str]], message: str
) -> None:
    with pytest.raises(VolumeError) as refused:
        huge_page_bytes(pod(*requests), medium)
    assert str(refused.value) == message
