"""Manifests: text in, objects out, and every problem with its file, line and column.

Does not open files, and does not know what running an object means.
"""

from pillion.manifest.kinds import RUN_KINDS
from pillion.manifest.loader import Manifest, ManifestObject, load_manifests, read_manifests
from pillion.manifest.problems import ManifestProblems
from pillion.yamltree import Mark, Problem

__all__ = [
    "RUN_KINDS",
    "Manifest",
    "ManifestObject",
    "ManifestProblems",
    "Mark",
    "Problem",
    "load_manifests",
    "read_manifests",
]
