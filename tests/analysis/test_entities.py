"""Entities of tags are seqeval's, whether they are read here or by it."""

from __future__ import annotations

import random

from seqeval.metrics.sequence_labeling import get_entities

from bench.analysis.entities import spans

TAGS = ["O", "O", "B-A", "I-A", "B-B", "I-B", "B-A-B", "I-A-B", "I-I-A"]
OTHERS = ["S-A", "E-A", "B"]


def test_entities_are_those_of_seqeval() -> None:
    rng = random.Random(0)
    for number in range(4000):
        known = TAGS if number % 4 else [*TAGS, *OTHERS]
        tags = [rng.choice(known) for _ in range(rng.randint(1, 12))]
        expected = {(kind, start, last + 1) for kind, start, last in get_entities(tags)}
        assert spans(" ".join(tags)) == expected, tags
