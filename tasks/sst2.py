"""SST-2 (Socher et al., EMNLP 2013).

The hub's test set has no labels. The validation set then becomes the test set, as in the GLUE literature, and
a tenth of the training set becomes the validation set. A copy with test labels keeps its own splits."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import labelled_examples
from bench.data.sources import SPLITS, Sources
from bench.data.splits import with_validation
from tasks.sentiment import Sentiment

NAMES = ("negative", "positive")


class SST2(Sentiment):
    name = "sst2"
    summary = "Is a sentence of a film review positive? (SST-2, from the hub)"
    licence = "not stated by the source"
    caveat = (
        "in the hub's copy, training and validation rows are phrases of the same sentences, so that the validation "
        "scores, which choose the best state and the rates, are too good; the test rows are other sentences"
    )
    sizes = "about 60,600/6,700/872 on the hub"

    def splits(self, sources: Sources) -> Splits:
        rows = sources.hub("stanfordnlp/sst2", labels=NAMES)
        train, validation = (labelled_examples(rows[split], "sentence", NAMES, split) for split in SPLITS[:2])
        if any(row["label"] < 0 for row in rows["test"]):
            return with_validation(train, validation, fraction=0.1, salt="sst2")
        return Splits(train, validation, labelled_examples(rows["test"], "sentence", NAMES, "test"))
