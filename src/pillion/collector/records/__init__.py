"""Records and the three forms in which a chunk of them travels. Pure.

One meaning, three speeds: a chunk stays in the cheapest form that the stages it passes can work on, and every stage
gives the same records whichever form it was handed (tests/properties hold it to that).
"""

from pillion.collector.records.content import Body, Content, Lines, Records, Texts

__all__ = ["Body", "Content", "Lines", "Records", "Texts"]
