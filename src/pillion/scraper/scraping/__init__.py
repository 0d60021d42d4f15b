"""Targets and their scrapes: when, what of a page becomes samples, and when series end. The HTTP is in `fetching`.

Pure: `targets`, `schedule`, `samplelabels`, `plan`, `timed`, `targetseries`, `report`, `exemplars`, `failures`.
"""
