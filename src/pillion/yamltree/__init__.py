"""YAML as a tree of values that know their place, and what is wrong with the text.

Does not know what the values mean, and does not open files.
"""

from pillion.yamltree.composer import Document, Text, compose
from pillion.yamltree.nodes import (
    MappingNode,
    Mark,
    Node,
    Pair,
    Place,
    ScalarNode,
    SequenceNode,
    build_tree,
    locate,
    locate_child,
)
from pillion.yamltree.problem import Problem

__all__ = [
    "Document",
    "MappingNode",
    "Mark",
    "Node",
    "Pair",
    "Place",
    "Problem",
    "ScalarNode",
    "SequenceNode",
    "Text",
    "build_tree",
    "compose",
    "locate",
    "locate_child",
]
