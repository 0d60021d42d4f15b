"""Fluent Bit's configuration, classic and YAML, as typed settings with the place of every key.

Pure: files are handed in.
"""
