"""The prediction. This file stands in for your model: the rest of the agent knows `Model.predict` only."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # type: ignore[import-untyped]

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_WORDS_AT_ONCE = 60
"""VADER compares every word with every other one: longer pieces cost more and mean less."""
_NEUTRAL_BELOW = 0.05
"""The authors' own threshold for the compound score."""


class Label(StrEnum):
    POSITIVE = "positive"
    NEUTRAL = "neutral"
    NEGATIVE = "negative"


class Prediction(NamedTuple):
    label: Label
    score: float
    """-1 (negative) … 1 (positive)."""


class SentimentModel:
    """VADER (Hutto & Gilbert 2014), made for sentences; a longer text has the mean of its sentences. Thread-safe."""

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()

    def predict(self, text: str) -> Prediction:
        scores = [self._analyzer.polarity_scores(piece)["compound"] for piece in _split(text)]
        score = round(sum(scores) / len(scores), 4) if scores else 0.0
        if abs(score) < _NEUTRAL_BELOW:
            return Prediction(Label.NEUTRAL, score)
        return Prediction(Label.POSITIVE if score > 0 else Label.NEGATIVE, score)


def _split(text: str) -> list[str]:
    pieces = []
    for sentence in _SENTENCE_END.split(text):
        words = sentence.split()
        pieces += [" ".join(words[i : i + _WORDS_AT_ONCE]) for i in range(0, len(words), _WORDS_AT_ONCE)]
    return pieces
