"""The loss of a checkpoint's own language-modelling head, compared with the library's whole model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bench.analysis.groups import gather
from bench.analysis.tables.build import TableOptions, build
from bench.contracts import Cell
from bench.engine.cell import run_cell
from bench.engine.forgetting import LONGEST, encoded
from bench.engine.group import prepare_group
from bench.engine.language_loss import EVERY, causal, masked
from bench.engine.neutral import SENTENCES
from bench.models.language_heads import LanguageHead, language_head
from bench.runs.record import LanguageLoss, Record
from tests.support.families import small_config
from tests.support.tokenizers import of_family

HEADS = {
    "bert": "MaskedLM",
    "distilbert": "MaskedLM",
    "roberta": "MaskedLM",
    "albert": "MaskedLM",
    "electra": "MaskedLM",
    "mpnet": "MaskedLM",
    "modernbert": "MaskedLM",
    "deberta-v2": "MaskedLM",
    "gpt2": "CausalLM",
    "llama": "CausalLM",
    "gemma2": "CausalLM",
}


def checkpoint(family: str, kind: str, folder: Path, **changes: Any) -> Any:
    """A small random checkpoint of a class of the library, with a tokenizer; its model."""
    import transformers

    tokenizer = of_family(family)
    torch.manual_seed(0)
    config = small_config(family, vocab_size=len(tokenizer), **changes)
    model = getattr(transformers, f"AutoModelFor{kind}" if kind else "AutoModel").from_config(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model


def measured(cell: Cell, context: Any) -> Record:
    cell = replace(cell, recipe=replace(cell.recipe, forgetting=True, rate_scale=3))
    record, _ = run_cell(cell, prepare_group(cell, context), context, lambda _: None)
    return record


def language(record: Record) -> LanguageLoss:
    assert record.language_loss is not None
    return record.language_loss


def by_whole_model(model: Any, tokenizer: Any, longest: int) -> float:
    """The mean loss of the words of the neutral sentences, sentence by sentence, by the model itself."""
    total, count, place = 0.0, 0, 0
    for text in SENTENCES:
        ids = tokenizer(text, truncation=True, max_length=longest)["input_ids"]
        words = [number for number, token in enumerate(ids) if token not in tokenizer.all_special_ids]
        if "CausalLM" in type(model).__name__ or "LMHead" in type(model).__name__:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([ids])).logits[0]
            asked = [(logits[number - 1], ids[number]) for number in words if number]
        else:
            asked = []
            for start in range(EVERY):
                chosen = [number for order, number in enumerate(words, place) if order % EVERY == start]
                shown = [tokenizer.mask_token_id if n in chosen else token for n, token in enumerate(ids)]
                with torch.no_grad():
                    logits = model(input_ids=torch.tensor([shown])).logits[0]
                asked += [(logits[number], ids[number]) for number in chosen]
        place += len(words)
        total += sum(float(F.cross_entropy(row.double(), torch.tensor(token))) for row, token in asked)
        count += len(asked)
    return total / count


@pytest.mark.parametrize("family", HEADS)
def test_before_training_it_is_the_loss_of_the_librarys_whole_model(
    family: str, toy_cell: Callable[..., Cell], toy_context: Any, tmp_path: Path
) -> None:
    model = checkpoint(family, HEADS[family], tmp_path)
    cell = toy_cell("frozen", backbone=str(tmp_path))
    found = language(measured(cell, toy_context))
    assert found.kind == {"MaskedLM": "masked", "CausalLM": "causal"}[HEADS[family]]
    expected = by_whole_model(model, of_family(family), min(LONGEST, cell.recipe.max_length))
    assert found.before == pytest.approx(expected, rel=1e-4)
    assert found.after == found.before
    assert found.rise == 0.0


def test_training_the_encoder_changes_it_and_nothing_else(
    toy_cell: Callable[..., Cell], toy_context: Any, tmp_path: Path
) -> None:
    checkpoint("bert", "MaskedLM", tmp_path)
    cell = toy_cell("full", backbone=str(tmp_path))
    record = measured(cell, toy_context)
    found = language(record)
    assert found.before != found.after
    assert found.rise == pytest.approx((found.after or 0) - (found.before or 0))
    plain = replace(cell, recipe=replace(cell.recipe, rate_scale=3))
    other, _ = run_cell(plain, prepare_group(plain, toy_context), toy_context, lambda _: None)
    assert other.language_loss is None
    assert other.scores == record.scores
    seconds = record.seconds
    parts = (seconds.prepare, seconds.prefix, seconds.compile, seconds.train, seconds.evaluate)
    assert seconds.cold == pytest.approx(sum(parts))
    table = build([record], options=TableOptions(columns=("lm-loss", "lm-rise")))
    assert [entry.value for entry in table.blocks[0].rows[0].entries] == [found.after, found.rise]


@pytest.mark.parametrize(
    ("family", "kind", "changes", "reason"),
    [
        ("bert", "", {}, "no LM head: the checkpoint has none"),
        ("electra", "PreTraining", {}, "no LM head: the checkpoint has none"),
        ("t5", "", {}, "no LM head: that of t5 reads its decoder, and only the encoder is used"),
        ("xlnet", "", {}, "no LM head: the library has no such class for this encoder"),
        ("bert", "MaskedLM", {"layers": 2}, "layers cut: the LM head reads the last one"),
        (
            "llama",
            "CausalLM",
            {"attention": "bidirectional"},
            "reads both ways: the encoder is shown the words that its LM head predicts",
        ),
    ],
)
def test_where_there_is_no_such_loss_the_record_says_why(
    family: str,
    kind: str,
    changes: dict[str, Any],
    reason: str,
    toy_cell: Callable[..., Cell],
    toy_context: Any,
    tmp_path: Path,
) -> None:
    checkpoint(family, kind, tmp_path)
    cell = toy_cell("frozen", backbone=str(tmp_path))
    record = measured(replace(cell, recipe=replace(cell.recipe, **changes)), toy_context)
    assert language(record) == LanguageLoss(reason=reason)
    assert record.forgetting
    (group,) = gather([record]).values()
    entry = build(group.records, options=TableOptions(columns=("lm-rise",))).blocks[0].rows[0].entries[0]
    assert (entry.value, entry.note) == (None, reason.partition(":")[0])


def test_the_head_is_the_checkpoints_own_at_any_token(tmp_path: Path, toy_context: Any) -> None:
    """On the model's own hidden states it gives the model's own logits."""
    model = checkpoint("bert", "MaskedLM", tmp_path)
    head = language_head(str(tmp_path), toy_context.registry.sources)
    assert isinstance(head, LanguageHead)
    tokens = torch.randint(5, model.config.vocab_size, (3, 6))
    with torch.no_grad():
        hidden = model.base_model(input_ids=tokens).last_hidden_state
        expected = model(input_ids=tokens).logits
        assert torch.allclose(head.logits(hidden.reshape(18, -1)), expected.reshape(18, -1), atol=1e-5)
        assert torch.equal(head.model(input_ids=tokens).logits, expected)  # its encoder is its own again


def test_every_word_is_masked_once_and_nothing_else() -> None:
    sample = encoded(of_family("bert"), SENTENCES, 12)
    special = of_family("bert").all_special_ids
    words = sample.mask.astype(bool) & ~np.isin(sample.tokens, special)
    readings = list(masked(sample.tokens, words, sample.mask, 4))
    assert len(readings) == EVERY
    assert np.array_equal(np.sum([reading.places for reading in readings], 0), words.astype(int))
    for reading in readings:
        assert (reading.inputs[reading.places] == 4).all()
        assert np.array_equal(reading.inputs[~reading.places], sample.tokens[~reading.places])
        assert np.array_equal(reading.targets, sample.tokens[reading.places])


def test_a_causal_head_reads_the_token_before() -> None:
    tokens = np.array([[1, 7, 8, 9, 0], [1, 7, 0, 0, 0]])
    mask = (tokens > 0).astype(np.int64)
    found = causal(tokens, tokens > 1, mask)
    assert found.places.tolist() == [[True, True, True, False, False], [True, False, False, False, False]]
    assert found.targets.tolist() == [7, 8, 9, 7]
