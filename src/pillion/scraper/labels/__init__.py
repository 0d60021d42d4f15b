"""Labels, matchers and relabelling. Pure."""

from pillion.scraper.labels.labels import Labels, labels_of

__all__ = ["Labels", "labels_of"]
