"""Word vectors trained on a task's own text, and those of gensim-data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from bench.contracts import BenchError, Cell
from bench.data.sources import Sources
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group
from bench.models import catalog
from bench.models.loading import load
from bench.models.trained_vectors import Texts

TEXTS = Texts(
    ("The film was good.", "The film was bad.", "A good song, a bad song.") * 5, ("The films were goodness.",)
)
BOTH = pytest.mark.parametrize("name", list(catalog.TRAINED))
MakeCell = Callable[..., Cell]


@BOTH
def test_the_same_texts_give_the_same_vectors(name: str) -> None:
    first, second = (load(name, Sources(), TEXTS).backbone.named_parameters() for _ in range(2))
    assert all(np.array_equal(first[key].detach(), second[key].detach()) for key in first)


def known(name: str, word: str) -> bool:
    loaded = load(name, Sources(), TEXTS)
    (token,) = loaded.tokenizer(word)["input_ids"]
    return token != loaded.tokenizer.unk_token_id


def test_word2vec_knows_the_words_of_the_training_texts_alone() -> None:
    assert known("word2vec:task", "FILM")
    assert not known("word2vec:task", "films")


def test_fasttext_gives_unseen_words_a_vector_too() -> None:
    assert known("fasttext:task", "films")


@BOTH
def test_other_splits_are_not_learnt_from(name: str) -> None:
    more = Texts(TEXTS.train, (*TEXTS.others, "A very good film indeed."))
    tables = []
    for texts in (TEXTS, more):
        loaded = load(name, Sources(), texts)
        row = loaded.tokenizer("good")["input_ids"][0]
        (table,) = loaded.backbone.named_parameters().values()
        tables.append(table.detach()[row].numpy())
    assert np.array_equal(*tables)


@BOTH
def test_a_cell_runs_on_them(name: str, toy_cell: MakeCell, toy_context: RunContext) -> None:
    cell = toy_cell("frozen", backbone=name)
    record, _ = run_cell(cell, prepare_group(cell, toy_context), toy_context, lambda point: None)
    assert record.status == "done"
    assert ":" not in cell.id


@pytest.mark.parametrize("binary", [False, True])
def test_vectors_of_gensim_data_are_read_from_its_folder(
    binary: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    vectors = KeyedVectors(3)
    vectors.add_vectors(["the", "film"], np.arange(6, dtype=np.float32).reshape(2, 3) / 7)
    (tmp_path / "tiny").mkdir()
    vectors.save_word2vec_format(str(tmp_path / "tiny" / "tiny.gz"), binary=binary)
    loaded = load("gensim-data:tiny", Sources())
    (table,) = loaded.backbone.named_parameters().values()
    assert table.detach()[2:].numpy() == pytest.approx(vectors.vectors, abs=1e-6)
    assert catalog.depth("gensim-data:tiny", Sources()) == 0


def test_gensim_data_that_cannot_be_reached_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gensim import downloader

    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("GENSIM_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(downloader, "load", offline)
    with pytest.raises(BenchError, match=r"no route to host.*needs the network once") as error:
        catalog.depth("gensim-data:glove-wiki-gigaword-100", Sources())
    assert error.value.code == "no-vectors"
