"""`provider ecs`: what Amazon ECS' log driver says of a task, as Datadog's tags. Pure.

Source: Fluent Bit's plugins/out_datadog/datadog_remap.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from pillion.collector.records import Body

ECS_KEYS = frozenset(
    {
        "container_id",
        "container_name",
        "container_image",
        "ecs_cluster",
        "ecs_task_definition",
        "ecs_task_arn",
    }
)
"""Fields that become tags when they are texts, and then are fields no longer."""
_ARN = "arn:aws:ecs:"


def is_tag(name: str, value: object) -> TypeGuard[str]:
    return name in ECS_KEYS and isinstance(value, str) and bool(value)


def ecs_tags(body: Body) -> str:
    """`name:value,…` in the order of the record."""
    return ",".join(
        f"{tag}:{text}"
        for name, value in body.items()
        if is_tag(name, value)
        for tag, text in _tags(name, value)
    )


def _tags(name: str, value: str) -> Iterator[tuple[str, str]]:
    match name:
        case "container_name":
            yield name, value.removeprefix("/")
        case "ecs_cluster":
            yield "cluster_name", value.partition("cluster/")[2] or value
        case "ecs_task_definition":
            family, colon, version = value.partition(":")
            if colon:
                yield "task_family", family
                yield "task_version", version
            else:
                yield name, value
        case "ecs_task_arn":
            yield "task_arn", value
            region, colon, _ = value.removeprefix(_ARN).partition(":")
            if value.startswith(_ARN) and colon:
                yield "region", region
            yield "task_id", value.partition("task/")[2] or value
        case _:
            yield name, value
