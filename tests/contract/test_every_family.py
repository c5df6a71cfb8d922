"""What holds for every listed family of encoders and decoders, on a small random model with a tokenizer of the kind
that it comes with, saved as people save them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.contracts import (
    FROZEN,
    Cell,
    Phase,
    QuestionExample,
    Recipe,
    WordsExample,
    block_of,
    frozen_blocks,
)
from bench.data.sources import Sources
from bench.data.spaced import for_words, sentences
from bench.data.windows import decode_windows, encode_windows
from bench.data.words import decode_words, encode_words
from bench.export.folder import export
from bench.models import catalog
from bench.models.families import families
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.loading import Loaded, load
from bench.models.pooling import own_pooling
from bench.registry import Plugins, Registry
from tests.support.checkpoints import plain as checkpoint
from tests.support.families import DEPTH
from tests.support.tokenizers import of_family

EVERY = pytest.mark.parametrize("family", list(families()))
SENTENCE = ["Anna", "lives", "in", "Rome,", "where", "it", "doesn't", "rain", "12", "days."]
ODD = ["naïve", "e\u0301", "東京", "مرحبا", "שלום", "🙂", "👩‍👩‍👧", "\u200b", "\x01", "a\u200db", "Rome"]
"""Words with accents, of three scripts, of one and of several emoji, without width, and without a character."""

CONTEXT = "In 1999 naïve Zoë moved to 東京 with a 🙂. Her friend مرحبا lives in  São Paulo, they say."
ANSWERS = ("1999", "Zoë", "東京", "🙂", "مرحبا", "São Paulo")


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A folder with a small random model of a family and its tokenizer."""
    return cache(lambda family: checkpoint(tmp_path_factory.mktemp("families") / family, family))


@pytest.fixture(scope="module")
def loaded_of(folder_of: Callable[[str], Path]) -> Callable[[str], Loaded]:
    return cache(lambda family: load(str(folder_of(family)), Sources()))


def texts(tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Ids and mask of two texts of unequal length, padded at the end."""
    batch = tokenizer([" ".join(SENTENCE), "Rome"], padding=True, return_tensors="pt")
    return batch["input_ids"], batch["attention_mask"]


@EVERY
def test_a_prefix_and_a_suffix_are_the_whole(family: str, loaded_of: Callable[[str], Loaded]) -> None:
    loaded = loaded_of(family)
    tokens, mask = texts(loaded.tokenizer)
    real = mask.bool()
    for attention in ("sdpa", "plain"):
        encoder = loaded.backbone.copy()
        encoder.use_attention(attention)
        with torch.no_grad():
            whole = encoder.run(tokens, mask, None)[real]
            for boundary in range(1, DEPTH + 1):
                hidden = encoder.run(tokens, mask, None, 0, boundary)
                found = encoder.run(hidden, mask, None, boundary)[real]
                assert float((found - whole).abs().max()) < 1e-6, (attention, boundary)


@EVERY
def test_what_follows_a_text_does_not_change_it(family: str, loaded_of: Callable[[str], Loaded]) -> None:
    loaded = loaded_of(family)
    tokens, mask = texts(loaded.tokenizer)
    short = int(mask[1].sum())
    with torch.no_grad():
        padded = loaded.backbone.run(tokens, mask, None)[1, :short]
        alone = loaded.backbone.run(tokens[1:, :short], mask[1:, :short], None)[0]
    assert torch.allclose(padded, alone, atol=1e-4)


PHASES = {
    "full": Phase(1.0, (("*", 1e-4),)),
    "top": Phase(1.0, ((f"layers.{DEPTH - 1}.*", 1e-4), ("*", FROZEN))),
    "lora": Phase(1.0, (("layers.*.lora_*", 1e-4), ("*", FROZEN))),
}


@EVERY
@pytest.mark.parametrize("kind", list(PHASES))
def test_gradients_reach_what_learns_and_nothing_else(
    kind: str, family: str, loaded_of: Callable[[str], Loaded]
) -> None:
    loaded, phase = loaded_of(family), PHASES[kind]
    encoder = loaded.backbone.copy()
    if kind == "lora":
        encoder.insert_lora(2, 4)
    named = encoder.named_parameters()
    for name, parameter in named.items():
        parameter.requires_grad_(phase.rate(name) > 0)
    tokens, mask = texts(loaded.tokenizer)
    frozen = frozen_blocks(phase, named, encoder.depth)
    with torch.no_grad():
        hidden = encoder.run(tokens, mask, None, 0, frozen)
    segments = torch.zeros_like(tokens)
    encoder.run(hidden, mask, segments, frozen)[mask.bool()].pow(3).sum().backward()
    reached = {name for name, parameter in named.items() if parameter.grad is not None}
    assert reached == {name for name in named if phase.rate(name) > 0}
    assert {block_of(name) for name in reached} == set(range(frozen, DEPTH + 1))


@EVERY
def test_its_configuration_tells_what_its_weights_are(
    family: str, folder_of: Callable[[str], Path], loaded_of: Callable[[str], Loaded]
) -> None:
    name, backbone = str(folder_of(family)), loaded_of(family).backbone
    assert isinstance(backbone, HuggingFaceEncoder)
    assert catalog.depth(name, Sources()) == backbone.depth == DEPTH
    shape = catalog.shape(name, Path())
    assert (shape.width, shape.inner) == (backbone.width, 48)
    most = catalog.positions(name, Sources())
    assert (most is None) == (families()[family].positions is None)


@EVERY
def test_the_longest_text_that_it_has_positions_for_runs_and_no_longer_one(
    family: str, folder_of: Callable[[str], Path], loaded_of: Callable[[str], Loaded]
) -> None:
    most = catalog.positions(str(folder_of(family)), Sources())
    for length in (most,) if most else ():
        run = loaded_of(family).backbone.run
        tokens = torch.full((1, length + 1), 7)
        with torch.no_grad():
            assert run(tokens[:, :length], torch.ones(1, length).long(), None).isfinite().all()
            with pytest.raises((IndexError, RuntimeError)):
                run(tokens, torch.ones_like(tokens), None)


@EVERY
def test_a_sentence_given_as_words_has_the_tokens_of_its_text(family: str) -> None:
    tokenizer = for_words(of_family(family))
    (words,) = sentences(tokenizer, [SENTENCE])
    given = tokenizer(words, is_split_into_words=True)["input_ids"]
    assert given == tokenizer(" ".join(SENTENCE))["input_ids"]
    plain = of_family(family)(" ".join(SENTENCE), add_special_tokens=False).tokens()
    assert tokenizer(words, is_split_into_words=True, add_special_tokens=False).tokens()[-5:] == plain[-5:]


@EVERY
def test_tags_come_back_to_their_words_whatever_these_are(family: str) -> None:
    tokenizer = of_family(family)
    examples = [
        WordsExample("0", tuple(ODD), tuple(f"B-{number % 3}" for number in range(len(ODD)))),
        WordsExample("1", tuple(SENTENCE), ("O",) * len(SENTENCE)),
    ]
    labels = ("O", "B-0", "B-1", "B-2")
    encoded = encode_words(examples, tokenizer, labels, Recipe())
    logits = np.zeros((len(encoded.tokens), len(labels)), np.float32)
    first = encoded.targets >= 0
    logits[np.flatnonzero(first), encoded.targets[first]] = 1
    found = decode_words(logits, encoded, examples, labels)
    seen = {int(word) for word in encoded.words[: encoded.offsets[1]] if word >= 0}  # pyright: ignore
    for number, (tag, gold) in enumerate(zip(found[0], examples[0].tags, strict=True)):
        assert tag == (gold if number in seen else "O"), ODD[number]
    assert len(ODD) - 2 <= len(seen), "only words without a visible character may be without a token"
    assert found[1] == ["O"] * len(SENTENCE)


@EVERY
@pytest.mark.parametrize("answer", ANSWERS)
def test_answers_are_found_at_their_place_in_the_text(answer: str, family: str) -> None:
    example = QuestionExample("0", "where to?", CONTEXT, ((answer, CONTEXT.index(answer)),))
    encoded = encode_windows([example], of_family(family), Recipe(max_length=256, stride=16))
    logits = np.zeros((len(encoded.tokens), 2), np.float32)
    assert encoded.targets[0].any(), "the answer has no token"
    logits[encoded.targets[0], (0, 1)] = 9
    (found,) = decode_windows(logits, encoded, [example])
    assert answer in found
    assert found == found.strip()
    assert len(found) <= len(answer) + 1, "at most a mark that the tokenizer joins to the answer"


@EVERY
def test_a_recipe_may_let_a_decoder_see_what_follows(family: str, loaded_of: Callable[[str], Loaded]) -> None:
    loaded = loaded_of(family)
    tokens, mask = texts(loaded.tokenizer)
    changed = tokens.clone()
    changed[0, int(mask[0].sum()) - 1] = 9
    for both_ways in (False, True):
        encoder = loaded.backbone.copy()
        assert isinstance(encoder, HuggingFaceEncoder)
        encoder.model.config = replace_config(encoder.model.config)
        if both_ways:
            encoder.attend_both_ways()
        with torch.no_grad():
            first = [encoder.run(ids, mask, None)[0, 0] for ids in (tokens, changed)]
        blind = families()[family].kind == "decoder" and not both_ways
        near = family in ("longformer",)  # tokens beyond the window are not seen, in either direction
        assert near or torch.equal(*first) == blind


def replace_config(config: Any) -> Any:
    """A configuration of its own: models share theirs with their layers."""
    import copy

    return copy.copy(config)


EXPORTS = [
    *(("toy-sentiment", family) for family in ("distilbert", "llama", "xlnet", "t5", "bart")),
    *(
        ("toy-ner", family)
        for family in ("roberta", "qwen2", "gemma", "gpt2", "albert", "eurobert", "mt5", "bart")
    ),
    *(("toy-qa", family) for family in ("deberta-v2", "gpt2", "qwen3", "mistral")),
]
"""After training, on one family for each kind of tokenizer and of standard class. `tests/export/test_matrix` has
all families and tasks, untrained."""


@pytest.mark.parametrize(("task", "family"), EXPORTS)
def test_an_exported_model_predicts_what_was_measured(
    task: str, family: str, folder_of: Callable[[str], Path], plugins: Plugins, tmp_path: Path
) -> None:
    """`export` compares what the folder predicts with what the harness predicted, and raises if they differ."""
    name = str(folder_of(family))
    attention = "bidirectional" if families()[family].kind == "decoder" and task == "toy-ner" else "own"
    recipe = Recipe(epochs=1, batch_size=8, max_length=48, stride=8, train=24, validation=8, test=8)
    recipe = replace(recipe, pooling=own_pooling(name).kind, attention=attention)
    registry = Registry(plugins, Sources(cache=tmp_path / "cache"))
    done = export(Cell("toy", task, "full", name, 0, recipe), registry, tmp_path / "out", device="cpu")
    assert done.checked >= 7
