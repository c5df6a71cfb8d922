"""CoLA, the corpus of linguistic acceptability (Warstadt et al., TACL 2019), ranked by Matthews' correlation.

The validation set is the test set; a tenth of the training set becomes the validation set."""

from __future__ import annotations

from collections.abc import Sequence

from bench.contracts import Metric, Splits, TextExample
from bench.data.glue import glue_rows, glue_splits, labelled
from bench.data.sources import Sources
from tasks.classification import Classification

NAMES = ("unacceptable", "acceptable")


class CoLA(Classification):
    name = "cola"
    summary = "Is a sentence grammatical? (CoLA, from the hub)"
    licence = "not stated by the source"
    sizes = "about 7,696/855/1,043 on the hub"

    metrics = (*Classification.metrics, Metric("mcc", "mcc"))
    headline = "mcc"

    def splits(self, sources: Sources) -> Splits:
        rows = glue_rows(sources, "cola", NAMES)
        return glue_splits(rows, labelled(("sentence",), NAMES), salt="cola")

    def score(self, examples: Sequence[TextExample], predictions: Sequence[str]) -> dict[str, float]:
        from sklearn.metrics import matthews_corrcoef

        mcc = float(matthews_corrcoef([example.label for example in examples], predictions))
        return {**super().score(examples, predictions), "mcc": mcc}
