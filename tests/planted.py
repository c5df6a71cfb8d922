"""A plug-in file, as a user would write one: a task that can be learnt, and a strategy whose rate is set from
outside, as a change of code would set it."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

from bench.contracts import Phase, Splits, Strategy, TextExample
from bench.data.sources import Sources
from tasks.sentiment import Sentiment
from tests.toy_tasks import BAD, GOOD


class Praise(Sentiment):
    name = "toy-praise"
    summary = "Does a made-up sentence praise more than it blames?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        draw, rows = random.Random(0), []
        for number in range(900):
            words = draw.choices(GOOD + BAD, k=3)
            label = "positive" if sum(word in GOOD for word in words) > 1 else "negative"
            rows.append(TextExample(str(number), f"{' and '.join(words)} {number}", label))
        return Splits(rows[:400], rows[400:460], rows[460:])


@dataclass(frozen=True)
class Steady(Strategy):
    """Everything, at one rate."""

    name = "steady"
    summary = "everything, at one rate"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", float(os.environ.get("PLANTED_RATE", "3e-3"))),)),)
