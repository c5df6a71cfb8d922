"""CoNLL-2003, English (Tjong Kim Sang and De Meulder).

The official splits are left as they are, so that scores can be compared with published ones. Some short sentences
are in more than one split.
"""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import tagged_examples
from bench.data.sources import SPLITS, Sources
from tasks.ner import NER

TYPES = ("PER", "ORG", "LOC", "MISC")
NAMES = ("O", *(f"{place}-{kind}" for kind in TYPES for place in "BI"))


class CoNLL2003(NER):
    name = "conll2003"
    summary = "Persons, organisations, places and others in newswire (CoNLL-2003, from the hub)"
    licence = "research only: Reuters text, under the agreement of Reuters and NIST"
    sizes = "14,041/3,250/3,453 on the hub"

    def splits(self, sources: Sources) -> Splits:
        rows = sources.hub(
            "eriktks/conll2003", revision="refs/convert/parquet", labels=NAMES, column="ner_tags"
        )
        train, validation, test = (tagged_examples(rows[split], NAMES, split) for split in SPLITS)
        return Splits(train, validation, test)
