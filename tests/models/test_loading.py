"""Which encoders are refused, and what the refusal says."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import AlbertConfig, AlbertModel, BertConfig, BertModel

from bench.contracts import BenchError
from bench.data.sources import Sources
from bench.models import catalog
from bench.models.loading import load
from tests.conftest import word_piece_tokenizer


@pytest.fixture
def folder(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny encoder, to damage."""
    return Path(shutil.copytree(tiny_encoder, tmp_path / "copy"))


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(cache=tmp_path / "cache")


def test_a_folder_is_loaded_with_its_tokenizer(tiny_encoder: Path, sources: Sources) -> None:
    loaded = load(str(tiny_encoder), sources)
    assert (loaded.backbone.depth, loaded.backbone.width) == (4, 32)
    assert loaded.tokenizer.is_fast
    assert catalog.depth(str(tiny_encoder), sources) == 4


def test_random_weights_depend_on_the_seed_alone(tiny_encoder: Path, sources: Sources) -> None:
    loaded = load(str(tiny_encoder), sources)
    torch.manual_seed(5)
    first = loaded.random(0).named_parameters()
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after), "making random weights must not move the global generator"
    second, other = loaded.random(0).named_parameters(), loaded.random(1).named_parameters()
    assert all(torch.equal(first[name], second[name]) for name in first)
    matrices = [name for name in first if first[name].dim() == 2]
    assert not any(torch.equal(first[name], other[name]) for name in matrices)


def test_an_encoder_that_shares_its_layers_has_one(tmp_path: Path, sources: Sources) -> None:
    tokenizer = word_piece_tokenizer()
    config = AlbertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        embedding_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
    )
    AlbertModel(config).save_pretrained(tmp_path / "albert")
    tokenizer.save_pretrained(tmp_path / "albert")
    assert load(str(tmp_path / "albert"), sources).backbone.depth == 1
    assert catalog.depth(str(tmp_path / "albert"), sources) == 1
    assert catalog.shape(str(tmp_path / "albert"), sources.cache).runs == 2


def test_pickled_weights_are_refused(folder: Path, sources: Sources) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "no-safetensors"


def test_damaged_weights_are_refused(folder: Path, sources: Sources) -> None:
    (folder / "model.safetensors").write_bytes(b"not a safetensors file at all")
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "cannot-load-backbone"


def test_weights_of_another_shape_are_refused(folder: Path, sources: Sources) -> None:
    BertConfig(hidden_size=64, num_attention_heads=2).save_pretrained(folder)
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "wrong-weights"


def test_weights_that_lack_a_layer_are_refused(folder: Path, sources: Sources) -> None:
    config = BertConfig.from_pretrained(folder)
    config.num_hidden_layers = 6
    config.save_pretrained(folder)
    with pytest.raises(BenchError, match=r"'encoder\.layer\.4\.\S+' is missing") as error:
        load(str(folder), sources)
    assert error.value.code == "wrong-weights"


def test_a_damaged_configuration_is_refused(folder: Path, sources: Sources) -> None:
    (folder / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "cannot-load-backbone"
    with pytest.raises(BenchError) as error:
        catalog.depth(str(folder), sources)
    assert error.value.code == "no-backbone"


def test_a_tokenizer_that_knows_more_than_the_embeddings_is_refused(folder: Path, sources: Sources) -> None:
    tokenizer = word_piece_tokenizer()
    tokenizer.add_tokens(["entirely", "new"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "wrong-tokenizer"


def test_a_folder_without_a_tokenizer_is_refused(folder: Path, sources: Sources) -> None:
    for path in (folder / "tokenizer.json", folder / "tokenizer_config.json"):
        path.unlink()
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "no-tokenizer"


def test_a_tokenizer_without_a_fast_form_is_refused(folder: Path, sources: Sources) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}', encoding="utf-8")
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "slow-tokenizer"


def test_weights_without_the_unused_pooler_are_enough(folder: Path, sources: Sources) -> None:
    BertModel.from_pretrained(folder, add_pooling_layer=False).save_pretrained(folder)
    assert load(str(folder), sources).backbone.depth == 4


def test_a_folder_that_does_not_exist_is_refused(sources: Sources) -> None:
    with pytest.raises(BenchError) as error:
        load("./absent", sources)
    assert error.value.code == "no-backbone"


def test_the_identity_follows_the_weights(folder: Path, tiny_encoder: Path) -> None:
    assert catalog.identity(str(folder)) == catalog.identity(str(tiny_encoder))
    with torch.no_grad():
        model = BertModel.from_pretrained(folder)
        model.embeddings.word_embeddings.weight.add_(1)
        model.save_pretrained(folder)
    assert catalog.identity(str(folder)) != catalog.identity(str(tiny_encoder))


@pytest.mark.parametrize(
    "name", ["tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "merges.txt"]
)
def test_every_file_that_changes_the_tokenizer_changes_the_identity(
    tiny_encoder: Path, tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "encoder"))
    (folder / name).write_text('{"do_lower_case": true}')
    before = catalog.identity(str(folder))
    (folder / name).write_text('{"do_lower_case": false}')
    assert catalog.identity(str(folder)) != before
