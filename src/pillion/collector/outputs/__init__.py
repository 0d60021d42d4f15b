"""Outputs: how records are written for a destination, and what its answers mean. One per file."""
