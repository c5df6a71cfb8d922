"""RTE, recognising textual entailment: the data of RTE-1, 2, 3 and 5 (Dagan et al. 2006 and later) as GLUE has
them.

The validation set is the test set; a tenth of the training set becomes the validation set."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.glue import glue_rows, glue_splits, labelled
from bench.data.sources import Sources
from tasks.classification import Classification

NAMES = ("entailment", "not_entailment")


class RTE(Classification):
    name = "rte"
    summary = "Does a text entail a statement? (RTE, from the hub)"
    licence = "not stated by the source"
    sizes = "about 2,241/249/277 on the hub"
    version = 2

    def splits(self, sources: Sources) -> Splits:
        rows = glue_rows(sources, "rte", NAMES)
        return glue_splits(rows, labelled(("sentence1", "sentence2"), NAMES, group="sentence1"), salt="rte")
