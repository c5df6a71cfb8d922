"""STS-B, the semantic textual similarity benchmark (Cer et al., SemEval 2017).

The validation set is the test set; a tenth of the training set becomes the validation set."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.glue import glue_rows, glue_splits, numbered
from bench.data.sources import Sources
from tasks.regression import Regression


class STSB(Regression):
    name = "stsb"
    summary = "How similar are two sentences, from 0 to 5? (STS-B, from the hub)"
    licence = "not stated by the source"
    sizes = "about 5,174/575/1,500 on the hub"

    def splits(self, sources: Sources) -> Splits:
        return glue_splits(glue_rows(sources, "stsb"), numbered(("sentence1", "sentence2")), salt="stsb")
