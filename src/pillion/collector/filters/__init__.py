"""Filters: records in, records out. Pure; one per file."""
