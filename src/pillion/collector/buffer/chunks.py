"""A chunk that is, or soon will be, on disk."""

from __future__ import annotations

from pillion.collector.buffer import frames
from pillion.collector.buffer.writing import Segment
from pillion.collector.records import Content


class StoredChunk:
    """Changed in the loop's thread; `content` is called in any."""

    __slots__ = ("frame", "label", "pending", "resident", "segment")

    def __init__(self, label: frames.Label, resident: Content | None) -> None:
        self.label = label
        self.pending = set(range(len(label.outputs)))
        """The outputs that have not got it, by their number in the label."""
        self.resident = resident
        """The content, while it is in memory too."""
        self.segment: Segment | None = None
        self.frame: frames.Frame | None = None
        """Both are there once it is on disk for certain."""

    def place(self, segment: Segment, frame: frames.Frame) -> None:
        self.segment, self.frame = segment, frame

    def content(self) -> Content:
        """Raises DamagedChunk."""
        content = self.resident  # once: it may be taken away meanwhile
        if content is not None:
            return content
        assert self.segment is not None
        assert self.frame is not None
        try:
            with self.segment.path.open("rb") as file:
                file.seek(self.frame.offset)
                return frames.decode(self.frame, file.read(self.frame.length))
        except (OSError, frames.DamagedChunk) as error:
            self.segment.damaged = True
            why = error.strerror if isinstance(error, OSError) else "its checksum is wrong"
            raise frames.DamagedChunk(
                f"{self.label.records} records of {self.label.tag} cannot be read from {self.segment.path}: {why}"
            ) from error
