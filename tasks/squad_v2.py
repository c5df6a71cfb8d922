"""SQuAD 2.0 (Rajpurkar et al., ACL 2018): a third of the training questions have no answer in their paragraph."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.hub_squad import squad_splits
from bench.data.sources import Sources
from tasks.unanswerable import UnanswerableQA


class SquadV2(UnanswerableQA):
    name = "squad_v2"
    summary = "The words that answer a question, or none (SQuAD 2.0, from the hub)"
    licence = "CC BY-SA 4.0"
    sizes = "about 117,300/13,000/11,873 on the hub"

    def splits(self, sources: Sources) -> Splits:
        return squad_splits(sources, "rajpurkar/squad_v2", salt="squad_v2")
