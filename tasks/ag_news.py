"""AG News (Zhang et al., NeurIPS 2015).

A tenth of the training set becomes the validation set. Training items that are also in the test set are left out.
"""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import labelled_examples
from bench.data.sources import Sources
from bench.data.splits import with_validation
from tasks.classification import Classification

NAMES = ("World", "Sports", "Business", "Sci/Tech")


class AGNews(Classification):
    name = "ag_news"
    summary = "Which of 4 sections a news item is from (AG News, from the hub)"
    licence = "research and non-commercial use (notice of the AG corpus)"
    sizes = "108,000/12,000/7,600 on the hub"

    def splits(self, sources: Sources) -> Splits:
        rows = sources.hub("fancyzhx/ag_news", labels=NAMES)
        train, test = (labelled_examples(rows[split], "text", NAMES, split) for split in ("train", "test"))
        return with_validation(train, test, fraction=0.1, salt="ag_news")
