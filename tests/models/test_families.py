"""The list of families: what it says is what is shown, and a family of a stranger needs no entry in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers as tf

from bench.contracts import BenchError
from bench.models import catalog
from bench.models.families import families, family_knowing
from bench.models.families.abilities import abilities, markdown
from bench.models.hf_encoder import HuggingFaceEncoder
from bench.models.pooling import own_pooling

PAGE = Path(__file__).parents[2] / "docs" / "encoders.md"
SMALL: dict[str, Any] = {
    "vocab_size": 90,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "pad_token_id": 1,
}


def test_the_page_has_the_table_of_the_program() -> None:
    assert markdown() in PAGE.read_text(encoding="utf-8")


def test_every_family_is_in_the_table_once_and_has_a_well_known_name() -> None:
    names = [row["family"] for row in abilities()]
    assert names == list(families())
    assert all(family.known for family in families().values())


@pytest.mark.parametrize("name", [name for family in families().values() for name in family.known])
def test_a_well_known_name_has_its_size_and_pooling_without_a_network(name: str, tmp_path: Path) -> None:
    family = family_knowing(name)
    assert family is not None
    shape = catalog.shape(name, tmp_path)
    assert shape == family.known[name] == catalog.shape(f"{name}@main", tmp_path)
    assert shape.depth * shape.runs >= 6
    assert 10e6 < shape.parameters < 9e9


@pytest.mark.parametrize("kind", ["olmo2", "phi3", "granite"])
def test_a_family_that_is_not_listed_is_accepted_where_it_passes_the_checks(kind: str) -> None:
    assert kind not in families()
    torch.manual_seed(0)
    model = tf.AutoModel.from_config(tf.AutoConfig.for_model(kind, **SMALL)).eval()
    encoder = HuggingFaceEncoder(model, kind)
    tokens = torch.arange(2, 14).view(2, 6)
    mask = torch.ones_like(tokens)
    with torch.no_grad():
        hidden = encoder.run(tokens, mask, None, 0, 2)
        whole = model(input_ids=tokens, attention_mask=mask).last_hidden_state
        assert torch.allclose(encoder.run(hidden, mask, None, 2), whole, atol=1e-5)
    assert encoder.blocks_of(encoder.named_parameters()) == {0, 1, 2, 3}


def test_one_that_cannot_be_cut_is_refused_with_the_check_that_failed() -> None:
    config = tf.AutoConfig.for_model("funnel", vocab_size=90, d_model=32, n_head=2, d_head=16, d_inner=48)
    with pytest.raises(BenchError, match=r"the check '.+' failed") as error:
        HuggingFaceEncoder(tf.FunnelModel(config).eval(), "funnel")
    assert error.value.code == "unsupported-backbone"


def test_one_that_reads_padding_is_refused() -> None:
    with pytest.raises(BenchError, match="padding after a text") as error:
        HuggingFaceEncoder(small("fnet"), "fnet")
    assert error.value.code == "unsupported-backbone"


@pytest.mark.parametrize(("kind", "most"), [("opt", 64), ("data2vec-text", 62), ("olmo2", None)])
def test_one_that_is_not_listed_names_the_longest_text(kind: str, most: int | None) -> None:
    encoder = HuggingFaceEncoder(small(kind, max_position_embeddings=64), kind)
    encoder.check_length(most or 1000)
    for length in (most + 1, 1000) if most else ():
        with pytest.raises(BenchError, match=f"at most {most} tokens") as error:
            encoder.check_length(length)
        assert error.value.code == "too-long-for-positions"


def small(kind: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    config = tf.AutoConfig.for_model(kind)
    known = {key: value for key, value in {**SMALL, **changes}.items() if hasattr(config, key)}
    return tf.AutoModel.from_config(tf.AutoConfig.for_model(kind, **known)).eval()


def test_a_decoder_is_read_at_its_last_token() -> None:
    assert own_pooling("gpt2").kind == "last"
    assert own_pooling("Qwen/Qwen3-0.6B-Base@main").kind == "last"
