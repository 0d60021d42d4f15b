"""Images without a registry: the host as an image, loaded archives, and stand-ins for well-known names.

Does not pull from a registry, and does not run anything.
"""

from pillion.containers.images.failure import ArchiveError, ImageError, PullFailure
from pillion.containers.images.sources import ImageSources, parse_sources
from pillion.containers.images.store import ImageStore, LoadedImage, PullPolicy, Resolved

__all__ = [
    "ArchiveError",
    "ImageError",
    "ImageSources",
    "ImageStore",
    "LoadedImage",
    "PullFailure",
    "PullPolicy",
    "Resolved",
    "parse_sources",
]
