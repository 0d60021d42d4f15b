"""Inputs: where records come from. One per file; `tail` is a package of its own."""
