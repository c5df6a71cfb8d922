"""WNUT 2017, emerging and rare entities (Derczynski et al.).

The official splits, without the training and validation rows that are also in the test set, and the training rows
that are also in the validation set. The test set comes from other sites than the training set.
"""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import tagged_examples
from bench.data.sources import SPLITS, Sources
from bench.data.splits import drop_duplicates
from tasks.ner import NER

TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
NAMES = ("O", *(f"{place}-{kind}" for kind in TYPES for place in "BI"))


class WNUT17(NER):
    name = "wnut_17"
    summary = "Rare and new entities in social media (WNUT 2017, from the hub)"
    licence = "CC BY 4.0"
    sizes = "about 3,394/1,009/1,287 on the hub"
    version = 2

    def splits(self, sources: Sources) -> Splits:
        rows = sources.hub("leondz/wnut_17", revision="refs/convert/parquet", labels=NAMES, column="ner_tags")
        train, validation, test = (tagged_examples(rows[split], NAMES, split) for split in SPLITS)
        return drop_duplicates(Splits(train, validation, test))
