"""Word vectors trained on a task's own training text: the control without transfer for static vectors.

`word2vec:task` is skip-gram (Mikolov et al. 2013, arXiv 1310.4546), `fasttext:task` the same with character n-grams
(Bojanowski et al. 2017, arXiv 1607.04606), both by gensim. They learn from training texts. FastText also has
vectors for words of the other splits, built from n-grams of the training texts. With one worker and a fixed seed
the same texts give the same vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.models.catalog import TRAINED
from bench.models.static_vectors import word_tokenizer

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

WIDTH = 100
BUCKETS = 50_000  # of n-grams: enough for a task's text, a fortieth of the memory of gensim's default
EPOCHS = 20


@dataclass(frozen=True)
class Texts:
    """The texts of a task: those to learn from, and those that only need vectors."""

    train: Sequence[str] = ()
    others: Sequence[str] = ()


def train_vectors(name: str, texts: Texts) -> tuple[np.ndarray, Any]:
    """(float32 [words + 2, width], tokenizer), as `load_vectors` gives; rows 0 and 1 are padding and unknown."""
    assert name in TRAINED, name
    learnt = [_words(text) for text in texts.train]
    vectors = _word2vec(learnt) if name == "word2vec:task" else _fasttext(learnt)
    words = [str(word) for word in vectors.index_to_key]
    if name == "fasttext:task":
        others = dict.fromkeys(word for text in texts.others for word in _words(text))
        words += [word for word in others if word not in vectors.key_to_index]
    table = np.zeros((len(words) + 2, WIDTH), np.float32)
    table[2:] = [vectors[word] for word in words]
    return table, word_tokenizer(words)


def _word2vec(learnt: list[list[str]]) -> KeyedVectors:
    from gensim.models import Word2Vec

    model = Word2Vec(learnt, vector_size=WIDTH, sg=1, min_count=1, epochs=EPOCHS, workers=1, seed=1)
    return model.wv


def _fasttext(learnt: list[list[str]]) -> KeyedVectors:
    from gensim.models import FastText

    model = FastText(
        learnt, vector_size=WIDTH, sg=1, min_count=1, epochs=EPOCHS, bucket=BUCKETS, workers=1, seed=1
    )
    return model.wv


def _words(text: str) -> list[str]:
    """Lower-cased words and punctuation marks, as the tokenizer of word vectors cuts them."""
    from tokenizers import pre_tokenizers

    cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text.lower())  # pyright: ignore[reportAttributeAccessIssue]
    return [word for word, _ in cut]
