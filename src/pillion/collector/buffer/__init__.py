"""The buffer between inputs and outputs on disk: chunks that outlive the process, bounded, each with its checksum.

What waits in memory is the pipeline's own. Knows nothing of inputs and outputs but names.
"""

from pillion.collector.buffer.chunks import StoredChunk
from pillion.collector.buffer.disk import DiskBuffer
from pillion.collector.buffer.frames import DamagedChunk, Label

__all__ = ["DamagedChunk", "DiskBuffer", "Label", "StoredChunk"]
