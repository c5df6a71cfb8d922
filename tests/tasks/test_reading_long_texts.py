"""Windows of long texts, and truncation that keeps both ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.contracts import BenchError, Cell, Recipe, TextExample
from bench.data.sequences import encode_sequences, pooled_windows
from bench.engine.cell import run_cell
from bench.engine.group import RunContext, prepare_group

RECIPE = Recipe(max_length=8, stride=2)


def encoded(tokenizer: Any, texts: list[str], **changes: Any) -> Any:
    rows = [TextExample(str(n), text, "x") for n, text in enumerate(texts)]
    return encode_sequences(rows, np.arange(len(rows)), tokenizer, replace(RECIPE, **changes))


def test_windows_hold_every_token_and_overlap(wordpiece):
    words = "the movie film was good bad ada lives in paris london un who the movie"
    found = encoded(wordpiece, [words, "good"], windows="mean")
    assert found.example.tolist() == [0, 0, 0, 0, 1]
    assert found.targets.tolist() == [0, 0, 0, 0, 1]
    assert found.lengths.max() == 8
    ids = wordpiece.convert_tokens_to_ids(words.split())
    parts = [
        found.tokens[a + 1 : b - 1].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)
    ]
    assert parts[0] == ids[:6]
    assert parts[1] == ids[4:10]
    assert [*parts[0], *parts[1][2:], *parts[2][2:], *parts[3][2:]] == ids


@pytest.mark.parametrize(
    ("how", "wanted"), [("mean", [[2.0, 1.0], [5.0, 6.0]]), ("max", [[3.0, 2.0], [5.0, 6.0]])]
)
def test_logits_of_a_text_are_pooled_over_its_windows(wordpiece, how, wanted):
    found = encoded(wordpiece, ["good " * 9, "bad"], windows=how)
    assert found.example.tolist() == [0, 0, 1]
    logits = np.array([[1, 2], [3, 0], [5, 6]], np.float32)
    assert pooled_windows(logits, found).tolist() == wanted


def test_texts_that_fit_are_the_same_with_and_without_windows(tokenizer):
    plain, windows = (encoded(tokenizer, ["the movie", "good"], windows=how) for how in ("none", "mean"))
    assert np.array_equal(plain.tokens, windows.tokens)


def test_both_ends_of_a_long_text_are_kept(wordpiece):
    words = "the movie film was good bad ada lives in paris london un who the movie"
    found = encoded(wordpiece, [" ".join(words), "the movie"], truncation="head+tail")
    kept = ["[CLS]", words[0], *words[-5:], "[SEP]"]
    assert found.tokens[:8].tolist() == wordpiece.convert_tokens_to_ids(kept)
    assert found.lengths.tolist() == [8, 4]
    assert found.truncated == 1


def test_word_vectors_keep_both_ends_too(wordlevel):
    found = encoded(wordlevel, ["the movie film was good bad ada lives in paris"], truncation="head+tail")
    kept = ["the", "movie", "good", "bad", "ada", "lives", "in", "paris"]
    assert found.tokens.tolist() == wordlevel.convert_tokens_to_ids(kept)


@pytest.mark.parametrize("changes", [{"windows": "mean"}, {"truncation": "head+tail"}], ids=str)
def test_pairs_are_refused(changes, wordpiece):
    rows = [TextExample("0", "a", "x", pair="b")]
    with pytest.raises(BenchError) as error:
        encode_sequences(rows, np.zeros(1), wordpiece, replace(RECIPE, **changes))
    assert error.value.code == "pairs"


@pytest.mark.parametrize("changes", [{"windows": "mean"}, {"truncation": "head+tail"}], ids=str)
@pytest.mark.parametrize("task", ["toy-ner", "toy-qa"])
def test_other_tasks_refuse_it(
    changes: Any, task: str, toy_cell: Callable[..., Cell], toy_context: RunContext
) -> None:
    with pytest.raises(BenchError) as error:
        prepare_group(
            toy_cell("frozen", task=task, recipe=Recipe(max_length=32, stride=8, **changes)), toy_context
        )
    assert error.value.code == "not-whole-texts"


@pytest.mark.parametrize("strategy", ["frozen", "probe", "full"])
@pytest.mark.parametrize(
    "changes", [{"windows": "mean"}, {"windows": "max"}, {"truncation": "head+tail"}], ids=str
)
def test_a_cell_scores_every_text_once(
    strategy: str, changes: Any, toy_cell: Callable[..., Cell], toy_context: RunContext, tmp_path: Path
) -> None:
    recipe = Recipe(epochs=1, batch_size=8, max_length=8, stride=2, logits=True, **changes)
    cell = toy_cell(strategy, recipe=recipe)
    group = prepare_group(cell, toy_context)
    record, tests = run_cell(cell, group, toy_context, lambda point: None)
    assert record.data
    assert (
        len(tests["test"]["prediction"]) == len(tests["test"]["logit:positive"]) == record.data.sizes["test"]
    )
    if "windows" in changes:
        assert len(group.encoded["test"]) > len(group.rows.test)
