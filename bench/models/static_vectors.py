"""Static word vectors from any gensim-readable file, with a word-level tokenizer that keeps offsets."""

from __future__ import annotations

import functools
import json
import os
import pickle
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.contracts import BenchError
from bench.data.cache import notice
from bench.data.sources import Sources
from bench.models.catalog import BACKBONES
from bench.models.gensim_data import PREFIX, vector_file

if TYPE_CHECKING:
    from gensim.models import KeyedVectors

PAD, UNKNOWN = "[PAD]", "[UNK]"


@dataclass(frozen=True)
class Vectors:
    """A table and its tokenizer, as `load_vectors` gives them, and the seconds that loading them took."""

    table: np.ndarray
    tokenizer: Any
    seconds: float


@functools.lru_cache(maxsize=1)
def kept_vectors(name: str, identity: str, sources: Sources) -> Vectors:
    """The vectors called `name` whose weights are `identity`, kept for the next task: a table of hundreds of
    thousands of words takes seconds to read. Nobody writes to the table: a backbone takes rows out of it."""
    began = time.perf_counter()
    table, tokenizer = load_vectors(name, sources)
    return Vectors(table, tokenizer, time.perf_counter() - began)


def load_vectors(name: str, sources: Sources) -> tuple[np.ndarray, Any]:
    """(float32 [words + 2, width], tokenizer). Rows 0 and 1 are padding and the unknown word, both zero."""
    if name in BACKBONES:
        vectors = _packaged(name, sources)
    else:
        vectors = _read(vector_file(name) if name.startswith(PREFIX) else Path(name))
    if not np.isfinite(vectors.vectors).all():
        raise BenchError(f"word vectors {name} cannot be used: a value is not a finite number")
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
    """A gensim `KeyedVectors`, or word2vec, GloVe or fastText vectors in text or binary form."""
    from gensim.models import KeyedVectors

    try:
        if path.suffix == ".kv":
            return KeyedVectors.load(str(path), mmap="r")
        if path.name.endswith((".bin", ".bin.gz")):
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
        UnicodeDecodeError,
        AttributeError,
        pickle.UnpicklingError,
    ) as error:
        raise BenchError(
            f"word vectors {path} cannot be read ({error}); give a gensim .kv, or word2vec, GloVe or "
            "fastText vectors as .txt, .vec or .bin"
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


def _packaged(name: str, sources: Sources) -> KeyedVectors:
    """The packaged vectors, converted once from JSON to a gensim file whose arrays are memory-mapped."""
    from gensim.models import KeyedVectors

    package = BACKBONES[name].package
    folder = sources.cache / "vectors" / package.sha256[:16]
    path = folder / f"{name}.kv"
    if not path.is_file():
        source = sources.members(package, package.members)[package.members[0]]
        notice(f"converting the word vectors '{name}', once ...")
        content = json.loads(Path(source).read_text(encoding="utf-8"))
        width = content["dimensions"]
        vectors = KeyedVectors(width)
        words = list(content["vectors"])
        vectors.add_vectors(words, np.array([content["vectors"][w][:width] for w in words], np.float32))
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            vectors.save(str(Path(work) / path.name), separately=["vectors"])
            try:
                os.rename(work, folder)
                os.mkdir(work)
            except OSError:
                if not path.is_file():  # else another process was first
                    raise
    return KeyedVectors.load(str(path), mmap="r")
