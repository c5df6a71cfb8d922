"""Snippets of film reviews with a mean human rating (Hutto and Gilbert, ICWSM 2014), and three other domains.

A rating above zero is positive, one below is negative, and zero is left out. The film snippets are those of
Pang and Lee (ACL 2005), each from another review."""

from __future__ import annotations

from dataclasses import replace

from bench.contracts import Splits
from bench.data.formats import read_ratings
from bench.data.packages.pinned import VADER
from bench.data.sources import Sources
from bench.data.splits import cut_by_group
from tasks.sentiment import Sentiment

SHIFT = {
    "product-reviews": "amazonReviewSnippets",
    "tweets": "tweets",
    "editorials": "nytEditorialSnippets",
}


class MovieSentiment(Sentiment):
    name = "movie-sentiment"
    summary = "Is a sentence of a film review positive? Also products, tweets and editorials"
    licence = "MIT (package vaderSentiment); cite Hutto and Gilbert 2014"
    sizes = "6,341/1,057/3,170; shift 3,610, 4,196, 4,946"

    def splits(self, sources: Sources) -> Splits:
        return sources.cached(self.name, self.version, lambda: _read(sources))


def _read(sources: Sources) -> Splits:
    files = {path.name.removesuffix("_GroundTruth.txt"): path for path in sources.members(VADER).values()}
    rows = read_ratings(files["movieReviewSnippets"], "movie")
    cut = cut_by_group(rows, train=0.6, validation=0.1, salt="movie-sentiment")
    return replace(cut, shift={name: read_ratings(files[file], name) for name, file in SHIFT.items()})
