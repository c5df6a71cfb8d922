"""WNUT 2017, emerging and rare entities (Derczynski et al.).

The official splits are left as they are. The test set comes from other sites than the training set.
"""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import tagged_examples
from bench.data.sources import SPLITS, Sources
from tasks.ner import NER

TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
NAMES = ("O", *(f"{place}-{kind}" for kind in TYPES for place in "BI"))


class WNUT17(NER):
    name = "wnut_17"
    summary = "Rare and new entities in social media (WNUT 2017, from the hub)"
    licence = "CC BY 4.0"
    sizes = "3,394/1,009/1,287 on the hub"

    def splits(self, sources: Sources) -> Splits:
        rows = sources.hub("leondz/wnut_17", revision="refs/convert/parquet", labels=NAMES)
        train, validation, test = (tagged_examples(rows[split], NAMES, split) for split in SPLITS)
        return Splits(train, validation, test)
