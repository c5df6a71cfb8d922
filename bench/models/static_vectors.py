"""Static word vectors from any gensim-readable file, with a word-level tokenizer that keeps offsets."""

from __future__ import annotations

import functools
import pickle
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.models.catalog import BACKBONES
from bench.models.gensim_data import PREFIX, vector_file
from bench.models.packaged_vectors import packaged_vectors
from bench.models.saved_vectors import load_saved

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

PAD, UNKNOWN = "[PAD]", "[UNK]"
FASTTEXT = (793712314).to_bytes(4, "little")  # the first bytes of fastText's own binary models


@dataclass(frozen=True)
class Vectors:
    """The table and tokenizer of `load_vectors`, and the seconds of loading them."""

    table: np.ndarray
    tokenizer: Any
    seconds: float


@functools.lru_cache(maxsize=1)
def kept_vectors(name: str, identity: str, sources: Sources) -> Vectors:
    """The vectors called `name` whose weights are `identity`, kept for the next task: a table of hundreds of
    thousands of words takes seconds to read. The table is never written to: a backbone copies rows out of it."""
    began = time.perf_counter()
    table, tokenizer = load_vectors(name, sources)
    return Vectors(table, tokenizer, time.perf_counter() - began)


def load_vectors(name: str, sources: Sources) -> tuple[np.ndarray, Any]:
    """(float32 [words + 2, width], tokenizer). Rows 0 and 1 are padding and the unknown word, both zero."""
    if name in BACKBONES:
        vectors = packaged_vectors(name, sources)
    else:
        vectors = _read(vector_file(name) if name.startswith(PREFIX) else Path(name))
    if not np.isfinite(vectors.vectors).all():
        raise BenchError(
            f"word vectors {name} cannot be used: a value is not a finite number", code="not-finite"
        )
    table = np.zeros((len(vectors) + 2, vectors.vector_size), np.float32)
    table[2:] = vectors.vectors
    return table, word_tokenizer([str(word) for word in vectors.index_to_key])


def word_tokenizer(words: list[str]) -> Any:
    """A fast tokenizer of whole words and punctuation marks; lower-cases where the vocabulary does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {PAD: 0, UNKNOWN: 1}
    for row, word in enumerate(words, 2):
        vocabulary.setdefault(word, row)
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    if not any(word != word.lower() for word in words[:50_000]):
        tokenizer.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # pyright: ignore[reportAttributeAccessIssue]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, model_max_length=10**6
    )


def _read(path: Path) -> KeyedVectors:
    """A saved gensim model or `KeyedVectors`, or word2vec, GloVe or fastText vectors in text or binary form."""
    from gensim.models import KeyedVectors
    from gensim.models.fasttext import load_facebook_vectors

    try:
        if path.suffix in (".kv", ".model"):
            return load_saved(path)
        if path.name.endswith((".bin", ".bin.gz")):
            if _first_bytes(path) == FASTTEXT:
                return load_facebook_vectors(str(path))
            return KeyedVectors.load_word2vec_format(str(path), binary=True)
        if len(_first_line(path).split()) != 2:
            return _headerless(path)
        try:
            return KeyedVectors.load_word2vec_format(str(path))
        except (UnicodeDecodeError, ValueError):  # gensim-data names binary and text files alike
            return KeyedVectors.load_word2vec_format(str(path), binary=True)
    except (
        OSError,
        ValueError,
        EOFError,
        LookupError,
        TypeError,
        AttributeError,
        ImportError,
        OverflowError,
        RecursionError,
        MemoryError,
        pickle.UnpicklingError,
    ) as error:
        raise BenchError(
            f"word vectors {path} cannot be read ({error}); give a gensim .kv or .model, or word2vec, GloVe or "
            "fastText vectors as .txt, .vec or .bin",
            code="cannot-read-vectors",
        ) from error


def _headerless(path: Path) -> KeyedVectors:
    """GloVe's text: a word and its values on each line. A word may contain spaces (glove.840B has some)."""
    import smart_open
    from gensim.models import KeyedVectors

    width = len(_first_line(path).split()) - 1
    if width < 1:
        raise ValueError("its first line holds no vector")
    found: dict[str, np.ndarray] = {}
    with smart_open.open(str(path), encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            word, *values = line.rstrip().rsplit(" ", width)
            if len(values) != width:
                raise ValueError(f"line {number} has {len(values)} values; the first line has {width}")
            found.setdefault(word, np.array(values, np.float32))
    vectors = KeyedVectors(width)
    vectors.add_vectors(list(found), np.stack(list(found.values())))
    return vectors


def _first_line(path: Path) -> str:
    import smart_open

    with smart_open.open(str(path), encoding="utf-8", errors="replace") as file:
        return file.readline()


def _first_bytes(path: Path) -> bytes:
    import smart_open

    with smart_open.open(str(path), "rb") as file:
        return file.read(len(FASTTEXT))
