"""Numbered lines: who writes them, and who counts what became of them."""

from pillion.testing.drills.ledger import Ledger
from pillion.testing.drills.lines import text_of
from pillion.testing.drills.writing import LogWriter, Rotation

__all__ = ["Ledger", "LogWriter", "Rotation", "text_of"]
