"""MNLI (Williams et al., NAACL 2018): a premise and a hypothesis.

The matched validation set is the test set, the mismatched one (other genres) a shift set. A tenth of the training
set becomes the validation set, no premise in both."""

from __future__ import annotations

from dataclasses import replace

from bench.contracts import Splits
from bench.data.glue import apart, glue_rows, glue_splits, labelled
from bench.data.sources import Sources
from tasks.classification import Classification

NAMES = ("entailment", "neutral", "contradiction")


class MNLI(Classification):
    name = "mnli"
    summary = "Does a premise entail, contradict or leave open a hypothesis? (MNLI, from the hub)"
    licence = "OANC, CC BY 3.0 and others, by genre"
    sizes = "about 353,400/39,270/9,815; shift 9,832 on the hub"
    version = 2

    def splits(self, sources: Sources) -> Splits:
        rows = glue_rows(sources, "mnli", NAMES)
        read = labelled(("premise", "hypothesis"), NAMES, group="premise")
        cut = glue_splits(rows, read, salt="mnli", dev="validation_matched")
        mismatched = apart(read(rows["validation_mismatched"], "mismatched"), "mismatched")
        return replace(cut, shift={"mismatched": mismatched})
