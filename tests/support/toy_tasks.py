"""A plug-in file, as a user would write one: three tasks of a few dozen made-up rows that can be learnt."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from bench.contracts import QuestionExample, Splits, TextExample, WordsExample
from bench.data.sources import Sources
from tasks.ner import NER
from tasks.qa import QA
from tasks.sentiment import Sentiment

THINGS = ("film", "book", "meal", "song", "room", "game")
GOOD = ("good", "great", "lovely", "fine", "superb")
BAD = ("bad", "awful", "dull", "poor", "boring")
PEOPLE = ("anna", "bert", "carla", "david", "emma", "felix")
PLACES = ("paris", "rome", "oslo", "lima", "cairo", "delhi")
OTHERS = ("the", "was", "a", "very", "and", "lives", "in", "where", "does", "live", "today", "we", "saw")

WORDS = (*THINGS, *GOOD, *BAD, *PEOPLE, *PLACES, *OTHERS)
"""Every word that occurs below."""


def cut(rows: Sequence[Any]) -> Splits:
    """Three fifths for training, a fifth each for validation and for testing."""
    parts = [
        [row for number, row in enumerate(rows) if number % 5 in which] for which in ((0, 1, 2), (3,), (4,))
    ]
    return Splits(*parts)


class ToySentiment(Sentiment):
    name = "toy-sentiment"
    summary = "Is a made-up sentence positive?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        rows = []
        for number, (good, bad, thing) in enumerate(zip(GOOD * 6, BAD * 6, THINGS * 5, strict=True)):
            longer = "and very " * (number % 3)
            rows.append(TextExample(f"p{number}", f"the {thing} was {longer}{good} {number}", "positive"))
            rows.append(TextExample(f"n{number}", f"the {thing} was {longer}{bad} {number}", "negative"))
        return cut(rows)


class ToyNER(NER):
    name = "toy-ner"
    summary = "Persons and places in made-up sentences"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        rows = []
        for number, (person, place) in enumerate(itertools.product(PEOPLE, PLACES)):
            words, tags = ("we", "saw", person, "in", place), ("O", "O", "B-PER", "O", "B-LOC")
            if number % 2:
                words, tags = (*words, "today"), (*tags, "O")
            rows.append(WordsExample(f"s{number}", words, tags))
        return cut(rows)


class ToyQA(QA):
    name = "toy-qa"
    summary = "Where does a made-up person live?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        rows = []
        for number, (person, place) in enumerate(itertools.product(PEOPLE, PLACES)):
            context = f"{person} lives in {place}" + " and the room was fine" * (number % 2)
            answer = (place, context.index(place))
            rows.append(QuestionExample(f"q{number}", f"where does {person} live", context, (answer,)))
        return cut(rows)
