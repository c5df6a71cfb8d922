"""Word vectors from every kind of file, and a tokenizer of whole words that keeps offsets."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import FastText, KeyedVectors, Word2Vec
from gensim.models.fasttext import save_facebook_model

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.models.catalog import kind_of
from bench.models.loading import load
from bench.models.static_vectors import load_vectors, word_tokenizer

WORDS = ["the", "film", "good", "."]
VALUES = np.arange(12, dtype=np.float32).reshape(4, 3) / 8


@pytest.fixture
def vectors() -> KeyedVectors:
    vectors = KeyedVectors(3)
    vectors.add_vectors(WORDS, VALUES)
    return vectors


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(cache=tmp_path / "cache")


def lines(header: str = "") -> str:
    rows = [f"{word} {' '.join(map(str, row))}" for word, row in zip(WORDS, VALUES, strict=True)]
    return header + "\n".join(rows) + "\n"


def make(kind: str, folder: Path, vectors: KeyedVectors) -> Path:
    """A file of the four words in the format `kind`."""
    path = folder / kind
    if kind.endswith(".kv"):
        vectors.save(str(path))
    elif kind.endswith((".bin", ".bin.gz")):
        vectors.save_word2vec_format(str(path), binary=True)
    elif kind.endswith(".gz"):
        path.write_bytes(gzip.compress(lines().encode()))
    else:
        path.write_text(lines("" if "glove" in kind else "4 3\n"), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "kind",
    ["v.kv", "word2vec.txt", "fasttext.vec", "glove.txt", "glove.txt.gz", "word2vec.bin", "word2vec.bin.gz"],
)
def test_every_format_gives_the_same_table(
    kind: str, tmp_path: Path, vectors: KeyedVectors, sources: Sources
) -> None:
    table, tokenizer = load_vectors(str(make(kind, tmp_path, vectors)), sources)
    assert np.array_equal(table[2:], VALUES)
    assert not table[:2].any()
    assert tokenizer.convert_ids_to_tokens([2, 3, 4, 5]) == WORDS


@pytest.mark.parametrize("architecture", [Word2Vec, FastText])
def test_a_saved_gensim_model_gives_its_vectors(architecture: Any, tmp_path: Path, sources: Sources) -> None:
    model = architecture([WORDS] * 5, vector_size=3, min_count=1, workers=1)
    path = tmp_path / "own.model"
    model.save(str(path))
    table, _ = load_vectors(str(path), sources)
    assert kind_of(str(path)) == "vectors"
    assert np.array_equal(table[2:], model.wv.vectors)


def test_a_binary_model_of_fasttext_gives_its_vectors(tmp_path: Path, sources: Sources) -> None:
    model = FastText([WORDS] * 5, vector_size=3, min_count=1, workers=1, bucket=10)
    path = tmp_path / "fasttext.bin"
    save_facebook_model(model, str(path))
    table, _ = load_vectors(str(path), sources)
    assert table[2:] == pytest.approx(model.wv.vectors, abs=1e-6)


def test_a_vector_file_is_a_backbone_without_layers(
    tmp_path: Path, vectors: KeyedVectors, sources: Sources
) -> None:
    loaded = load(str(make("v.kv", tmp_path, vectors)), sources)
    assert (loaded.backbone.depth, loaded.backbone.width, loaded.vocabulary) == (0, 3, 6)
    assert list(loaded.backbone.named_parameters()) == ["embeddings.word_embeddings.weight"]


def test_the_tokenizer_keeps_offsets() -> None:
    text = "The  film, good."
    encoded = word_tokenizer(WORDS)(text, return_offsets_mapping=True)
    assert [text[start:stop] for start, stop in encoded["offset_mapping"]] == [
        "The",
        "film",
        ",",
        "good",
        ".",
    ]


def test_an_unknown_word_is_one_token_with_a_zero_vector() -> None:
    assert word_tokenizer(WORDS)("the spaceship").input_ids == [2, 1]


def test_words_are_lower_cased_where_the_vocabulary_is() -> None:
    assert word_tokenizer(WORDS)("GOOD Film").input_ids == [4, 3]


def test_case_is_kept_where_the_vocabulary_has_it() -> None:
    tokenizer = word_tokenizer([*WORDS, "Film"])
    assert tokenizer("film Film FILM").input_ids == [3, 6, 1]


def test_a_word_that_occurs_twice_keeps_its_first_vector() -> None:
    assert word_tokenizer(["good", "film", "good"])("good film").input_ids == [2, 3]


@pytest.mark.parametrize("kind", ["v.kv", "word2vec.txt", "glove.txt", "word2vec.bin"])
@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_a_damaged_file_is_named(
    kind: str, damage: str, tmp_path: Path, vectors: KeyedVectors, sources: Sources
) -> None:
    path = make(kind, tmp_path, vectors)
    content = path.read_bytes()
    cut = content[: content.rindex(b" ") if kind.endswith(".txt") else len(content) - 5]
    path.write_bytes({"cut": cut, "noise": b"\x00\xff\xfe noise\n" * 9, "empty": b""}[damage])
    with pytest.raises(BenchError) as error:
        load_vectors(str(path), sources)
    assert error.value.code == "cannot-read-vectors"


def test_a_word_of_a_headerless_file_may_contain_a_space(tmp_path: Path, sources: Sources) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("good 1.0 2.0\n. . . 0.5 0.5\n", encoding="utf-8")
    table, tokenizer = load_vectors(str(path), sources)
    assert tokenizer.convert_ids_to_tokens([2, 3]) == ["good", ". . ."]
    assert table[2:].tolist() == [[1.0, 2.0], [0.5, 0.5]]


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path, sources: Sources) -> None:
    path = tmp_path / "glove.txt"
    path.write_text("good 1.0 nan\nfilm 0.5 0.5\n", encoding="utf-8")
    with pytest.raises(BenchError) as error:
        load_vectors(str(path), sources)
    assert error.value.code == "not-finite"


def test_a_file_that_does_not_exist_is_named(sources: Sources) -> None:
    with pytest.raises(BenchError) as error:
        load("absent.kv", sources)
    assert error.value.code == "no-backbone"


def test_vectors_are_read_once_for_all_tasks_and_their_time_is_charged_each_time(
    tmp_path: Path, vectors: KeyedVectors, sources: Sources
) -> None:
    path = str(make("v.kv", tmp_path, vectors))
    first, second = load(path, sources), load(path, sources)
    assert second.tokenizer is first.tokenizer
    assert first.spared < second.spared


def test_kept_vectors_are_not_changed_by_training_on_them(
    tmp_path: Path, vectors: KeyedVectors, sources: Sources
) -> None:
    import torch

    path = str(make("v.kv", tmp_path, vectors))
    backbone = load(path, sources).backbone
    backbone.trim(np.arange(3))
    with torch.no_grad():
        for parameter in backbone.named_parameters().values():
            parameter.add_(1.0)
    again = load(path, sources).backbone.named_parameters()
    table, _ = load_vectors(path, sources)
    assert all(np.array_equal(parameter.detach().numpy(), table) for parameter in again.values())
