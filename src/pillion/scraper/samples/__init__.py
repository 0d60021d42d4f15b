"""Samples in columns: what a scrape gives to the window and to remote write."""

from pillion.scraper.samples.batch import STALE, Appender, Batch, Exemplar, Metadata, SeriesSet

__all__ = ["STALE", "Appender", "Batch", "Exemplar", "Metadata", "SeriesSet"]
