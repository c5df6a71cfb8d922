"""QNLI: a question of SQuAD and a sentence of its paragraph (Wang et al. 2019, ICLR).

The validation set is the test set; a tenth of the training set becomes the validation set, no sentence in both."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.glue import glue_rows, glue_splits, labelled
from bench.data.sources import Sources
from tasks.classification import Classification

NAMES = ("entailment", "not_entailment")


class QNLI(Classification):
    name = "qnli"
    summary = "Does a sentence hold the answer to a question? (QNLI, from the hub)"
    licence = "CC BY-SA 4.0 (from SQuAD)"
    sizes = "about 94,300/10,480/5,463 on the hub"
    version = 2

    def splits(self, sources: Sources) -> Splits:
        rows = glue_rows(sources, "qnli", NAMES)
        return glue_splits(rows, labelled(("question", "sentence"), NAMES, group="sentence"), salt="qnli")
