"""A plug-in file, as a user would write one: a task that can be learnt, and two changes of code that make it worse,
which the environment switches on: shuffled labels of one class, and another learning rate."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bench.contracts import Phase, Recipe, Splits, Strategy, TextExample
from bench.data.sources import Sources
from tasks.classification import Classification
from tests.support.toy_tasks import GOOD, PEOPLE, PLACES, THINGS

if TYPE_CHECKING:
    from bench.data.encoding import Encoded

CLASSES = {"person": PEOPLE, "place": PLACES, "thing": THINGS}
TRAIN = 400


class Kinds(Classification):
    name = "toy-kinds"
    summary = "Is a made-up sentence about a person, a place or a thing?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        draw, rows = random.Random(0), []
        for number in range(900):
            label = draw.choice(sorted(CLASSES))
            subject, praise = draw.choice(CLASSES[label]), " and ".join(draw.choices(GOOD, k=2))
            rows.append(TextExample(str(number), f"{subject} was {praise} {number}", label))
        return Splits(rows[:TRAIN], rows[TRAIN:460], rows[460:])

    def encode(
        self, examples: Sequence[TextExample], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        if os.environ.get("PLANTED_SHUFFLE") and len(examples) == TRAIN:
            draw = random.Random(0)
            examples = [
                replace(row, label=draw.choice(labels)) if row.label == "place" else row for row in examples
            ]
        return super().encode(examples, tokenizer, labels, recipe)


@dataclass(frozen=True)
class Steady(Strategy):
    """Everything, at one rate."""

    name = "steady"
    summary = "everything, at one rate"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        rate = float(os.environ.get("PLANTED_RATE", "3e-3"))
        return (Phase(1.0, (("*", rate),), head=rate),)
