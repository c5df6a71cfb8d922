"""SQuAD 1.1 (Rajpurkar et al., EMNLP 2016): every question has an answer in its paragraph."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.hub_squad import squad_splits
from bench.data.sources import Sources
from tasks.qa import QA


class SquadV1(QA):
    name = "squad_v1"
    summary = "The words of a paragraph that answer a question (SQuAD 1.1, from the hub)"
    licence = "CC BY-SA 4.0"
    sizes = "about 78,800/8,800/10,570 on the hub"

    def splits(self, sources: Sources) -> Splits:
        return squad_splits(sources, "rajpurkar/squad", salt="squad_v1")
