"""FIN: sentences of financial agreements with their entities (Salinas Alvarado et al., ALTA 2015).

The source does not say which agreement a sentence comes from, so equal sentences stay in one split."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import read_mentions
from bench.data.packages.pinned import EVALS
from bench.data.sources import Sources
from bench.data.splits import cut_by_group
from tasks.ner import NER


class FinancialNER(NER):
    name = "financial-ner"
    summary = "Persons, organisations and places in financial agreements (FIN)"
    licence = "not stated by the source (in the MIT-licensed package evals)"
    sizes = "698/175/291"
    caveat = (
        "205 of the 293 entities of the test set are three role words (borrower, lender, bank): knowing the word "
        "goes far, which flatters static word vectors"
    )

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, self.version, lambda: _read(sources))


def _read(sources: Sources) -> Splits:
    (path,) = sources.members(EVALS).values()
    return cut_by_group(read_mentions(path, "fin"), train=0.6, validation=0.15, salt="financial-ner")
