"""Which encoders are refused, and what the refusal says."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

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


# --------------------------------------------------------------------------------------------------
# Weights in several files


@pytest.fixture
def sharded(folder: Path) -> Path:
    """The tiny encoder with its weights in several files."""
    model = BertModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    return folder


def move_a_part(folder: Path, target: Path) -> None:
    """The first file of weights lies at `target`, and the index says so."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    part = sorted(index["weight_map"].values())[0]
    target.parent.mkdir(exist_ok=True)
    (folder / part).rename(target)
    name = os.path.relpath(target, folder)
    index["weight_map"] = {
        key: name if value == part else value for key, value in index["weight_map"].items()
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def test_weights_in_several_files_are_loaded(sharded: Path, sources: Sources, tiny_encoder: Path) -> None:
    expected = dict(load(str(tiny_encoder), sources).backbone.named_parameters())
    found = dict(load(str(sharded), sources).backbone.named_parameters())
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("where", ["../elsewhere.safetensors", "below/part.safetensors", "part.bin"])
def test_an_index_of_weights_names_safetensors_beside_it_and_nothing_else(
    sharded: Path, sources: Sources, where: str
) -> None:
    """What lies elsewhere would be in no digest, and what is no safetensors would be unpickled."""
    move_a_part(sharded, sharded / where)
    for read in (catalog.identity, lambda name: load(name, sources)):
        with pytest.raises(BenchError) as error:
            read(str(sharded))
        assert error.value.code == "wrong-index"


STALE = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}


@pytest.mark.parametrize("name", ["model.safetensors.index.json", "model.fp16.safetensors.index.json"])
def test_an_index_that_is_not_read_may_name_what_is_gone(folder: Path, sources: Sources, name: str) -> None:
    """The weights were merged into one file, or those in another precision were left out of a copy."""
    expected = catalog.identity(str(folder))
    (folder / name).write_text(json.dumps(STALE))
    assert load(str(folder), sources).backbone.depth >= 1
    assert catalog.identity(str(folder)) == expected


def test_an_index_that_the_configuration_names_is_read(folder: Path, sources: Sources) -> None:
    (folder / "model.fp16.safetensors.index.json").write_text(json.dumps(STALE))
    change_config(folder, transformers_weights="model.fp16.safetensors.index.json")
    with pytest.raises(BenchError) as error:
        catalog.identity(str(folder))
    assert error.value.code == "wrong-index"


@pytest.mark.parametrize(
    "named", ["../a.safetensors", "adapter_model.bin", "/a.safetensors", ".safetensors", 5]
)
def test_a_configuration_names_no_weights_elsewhere_and_no_pickle(
    folder: Path, sources: Sources, named: Any
) -> None:
    change_config(folder, transformers_weights=named)
    with pytest.raises(BenchError) as error:
        load(str(folder), sources)
    assert error.value.code == "wrong-index"


def change_config(folder: Path, **values: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("layers", [0, -3, True, 2.0, "2", 10**9, math.inf, [4]])
def test_a_number_of_layers_that_cannot_be_is_refused_before_weights_are_read(
    folder: Path, sources: Sources, layers: Any
) -> None:
    change_config(folder, num_hidden_layers=layers)
    with pytest.raises(BenchError) as error:
        catalog.depth(str(folder), sources)
    assert error.value.code == "no-layers"
    assert catalog.shape(str(folder), sources.cache).depth >= 1  # a plan has one to go by


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", '{"model_type": ', '"text"'])
def test_a_configuration_that_is_none_is_refused(folder: Path, sources: Sources, text: str) -> None:
    (folder / "config.json").write_text(text)
    with pytest.raises(BenchError):
        catalog.depth(str(folder), sources)
    assert catalog.shape(str(folder), sources.cache) == catalog.BASE
