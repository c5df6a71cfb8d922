"""The SQuAD 1.1 development set (Rajpurkar et al., EMNLP 2016), split by article, and SQuADShifts (Miller et
al., ICML 2020): new articles and three other domains."""

from __future__ import annotations

from dataclasses import replace

from bench.contracts import Splits
from bench.data.formats import read_squad
from bench.data.packages.pinned import BIGBENCH
from bench.data.sources import Sources
from bench.data.splits import cut_by_group
from tasks.qa import QA

SHIFT = {
    "new-wiki": "new_wiki_v1.0",
    "nyt": "nyt_v1.0",
    "amazon": "amazon_reviews_v1.0",
    "reddit": "reddit_v1.0",
}


class Squad(QA):
    name = "squad"
    summary = "The words of a paragraph that answer a question (SQuAD 1.1 dev, SQuADShifts)"
    licence = "CC BY-SA 4.0 (SQuAD); SQuADShifts: not stated by the source"
    sizes = "6,388/1,774/2,403; shift 7,936, 10,056, 9,877, 9,767"

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, self.version, lambda: _read(sources))


def _read(sources: Sources) -> Splits:
    files = {path.stem: path for path in sources.members(BIGBENCH).values()}
    rows = read_squad(files["squaddev_v1.1"])
    cut = cut_by_group(rows, train=0.6, validation=0.15, salt="squad")
    return replace(cut, shift={name: read_squad(files[file]) for name, file in SHIFT.items()})
