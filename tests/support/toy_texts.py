"""A plug-in file with made-up pairs, numbers, sets of labels, long texts and questions without an answer, all of
which can be learnt."""

from __future__ import annotations

import itertools

from bench.contracts import LabelsExample, NumberExample, QuestionExample, Splits, TextExample
from bench.data.sources import Sources
from tasks.classification import Classification
from tasks.multilabel import MultiLabel
from tasks.regression import Regression
from tasks.unanswerable import UnanswerableQA
from tests.support.toy_tasks import BAD, GOOD, PEOPLE, PLACES, THINGS, cut


class ToyPairs(Classification):
    name = "toy-pairs"
    summary = "Do two made-up sentences judge alike?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        rows = []
        pairs = list(itertools.product((*GOOD, *BAD), repeat=2))
        for number in range(100):
            first, second = pairs[37 * number % 100]  # mixed, so that every part of the cut has every word
            alike = "same" if (first in GOOD) == (second in GOOD) else "other"
            thing = THINGS[number % 6]
            rows.append(
                TextExample(f"r{number}", f"the {thing} was {first}", alike, pair=f"a {second} {thing}")
            )
        return cut(rows)


class ToyNumbers(Regression):
    name = "toy-numbers"
    summary = "How good is a made-up thing?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        rows = []
        for number in range(120):
            place = (number + number // 10) % 10
            word, sign = ((*GOOD, *BAD)[place], 1 if place < 5 else -1)
            text = f"the {THINGS[number % 6]} was {word}{' and very ' + word if number % 3 else ''}"
            rows.append(NumberExample(f"n{number}", text, 10 + sign * (1.0 + number % 3) + number / 500))
        return cut(rows)


class ToyLabels(MultiLabel):
    name = "toy-labels"
    summary = "Which kinds of words has a made-up sentence?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        kinds = {"person": PEOPLE, "place": PLACES, "thing": THINGS}
        rows = []
        for number in range(120):
            chosen = [kind for place, kind in enumerate(kinds) if (number >> place) & 1]
            words = [kinds[kind][(number // 8 + place) % 6] for place, kind in enumerate(chosen)]
            rows.append(
                LabelsExample(f"l{number}", f"we saw {' and '.join(words) or 'the'} {number}", tuple(chosen))
            )
        return cut(rows)


class ToyLong(Classification):
    name = "toy-long"
    summary = "Which kind of word is somewhere in a long made-up text?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        kinds = {"person": PEOPLE, "place": PLACES, "thing": THINGS}
        rows = []
        for number, (kind, names) in itertools.product(range(36), kinds.items()):
            words = ["and very"] * (number % 18)
            words.insert(number * 7 % (len(words) + 1), names[number % 6])
            count = 2 if kind == "thing" and number % 2 else 1  # so that classes are unequal
            rows += [
                TextExample(f"{kind}{number}-{n}", " ".join(words) + f" {n}", kind) for n in range(count)
            ]
        return cut(rows)


class ToyUnanswerable(UnanswerableQA):
    name = "toy-unanswerable"
    summary = "Where does a made-up person live, if the text says so?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        rows = []
        for number, (person, place) in enumerate(itertools.product(PEOPLE, PLACES)):
            context = f"{person} lives in {place}" + " and the room was fine" * (number % 4)
            other = PEOPLE[(PEOPLE.index(person) + 1) % len(PEOPLE)]
            for name, answers in ((person, ((place, context.index(place)),)), (other, ())):
                rows.append(QuestionExample(f"q{number}-{name}", f"where does {name} live", context, answers))
        return cut(rows)
