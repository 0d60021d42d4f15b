"""About how many bytes a chunk is. Pure.

Decoded records have no size of their own; writing all of them to find out would cost as much as sending them.
"""

from __future__ import annotations

from pillion.collector.records import Content, Records, size

SAMPLE = 16
"""Records that are written to guess the size of all."""


def weigh(content: Content) -> int:
    """Exact for lines and JSON text, an estimate for more decoded records than a few."""
    if not isinstance(content, Records) or len(content.bodies) <= SAMPLE:
        return size(content)
    total = len(content.bodies)
    step = total // SAMPLE
    bodies = content.bodies[::step][:SAMPLE]
    sample = Records(times=content.times[: len(bodies)], bodies=bodies)
    return size(sample) * total // len(bodies)
