"""MRPC, the Microsoft Research paraphrase corpus (Dolan and Brockett, IWP 2005): pairs of sentences of news.

As for all of GLUE, the validation set is the test set; a tenth of the training set becomes the validation set."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.glue import glue_rows, glue_splits, labelled
from bench.data.sources import Sources
from tasks.classification import Classification

NAMES = ("not_equivalent", "equivalent")


class MRPC(Classification):
    name = "mrpc"
    summary = "Do two sentences of news mean the same? (MRPC, from the hub)"
    licence = "not stated by the source"
    sizes = "about 3,301/367/408 on the hub"

    def splits(self, sources: Sources) -> Splits:
        rows = glue_rows(sources, "mrpc", NAMES)
        return glue_splits(rows, labelled(("sentence1", "sentence2"), NAMES), salt="mrpc")
