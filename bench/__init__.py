"""Figures of this machine: `make bench`, or `python -m bench NAME…`. Nothing here is a test."""
