"""A plug-in file with a task of three classes that can be learnt."""

from __future__ import annotations

from bench.contracts import Splits, TextExample
from bench.data.sources import Sources
from tasks.classification import Classification
from tests.support.toy_tasks import PEOPLE, PLACES, THINGS, cut


class ToyKinds(Classification):
    name = "toy-kinds"
    summary = "Is a made-up sentence about a person, a place or a thing?"
    licence = "made up"

    def splits(self, sources: Sources) -> Splits:
        kinds = {"person": PEOPLE, "place": PLACES, "thing": THINGS}
        rows = [
            TextExample(f"{kind}{number}", f"we saw {names[number % len(names)]} {number}", kind)
            for number in range(20)
            for kind, names in kinds.items()
        ]
        return cut(rows)
