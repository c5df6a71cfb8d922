"""Checkpoints as people have them: in parts, in half precision, with a head, in odd folders, with a revision."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants, errors
from transformers import AutoModelForCausalLM, BertForSequenceClassification, BertModel

from bench.contracts import BenchError
from bench.data.cache import notices_to
from bench.data.sources import Sources
from bench.models import catalog, refusals
from bench.models.loading import load
from bench.models.pooling import own_pooling
from bench.registry import Registry, discover
from tests.conftest import word_piece_tokenizer
from tests.support.families import small_config, small_model
from tests.support.tokenizers import of_family


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(cache=tmp_path / "cache")


@pytest.fixture
def folder(tiny_encoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_encoder, tmp_path / "copy"))


def test_weights_in_parts_are_the_weights_and_every_part_counts(
    folder: Path, tmp_path: Path, sources: Sources
) -> None:
    parts = tmp_path / "parts"
    BertModel.from_pretrained(folder).save_pretrained(parts, max_shard_size="20KB")
    word_piece_tokenizer().save_pretrained(parts)
    assert len(list(parts.glob("*.safetensors"))) > 1
    whole, found = (load(str(path), sources).backbone for path in (folder, parts))
    assert found.content() == whole.content()
    before = catalog.identity(str(parts))
    last = sorted(parts.glob("*.safetensors"))[-1]
    last.write_bytes(last.read_bytes()[:-1] + b"\x01")
    assert catalog.identity(str(parts)) != before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_an_encoder_in_half_precision_computes_in_fp32(
    dtype: torch.dtype, folder: Path, sources: Sources
) -> None:
    BertModel.from_pretrained(folder).to(dtype).save_pretrained(folder)
    loaded = load(str(folder), sources)
    for backbone in (loaded.backbone, loaded.random(0)):
        assert {p.dtype for p in backbone.named_parameters().values()} == {torch.float32}


def test_a_decoder_in_bf16_is_kept_so_until_it_is_cast(tmp_path: Path, sources: Sources) -> None:
    tokenizer = of_family("llama")
    config = small_config("llama", vocab_size=len(tokenizer) + 8, tie_word_embeddings=True)
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path / "llama")
    tokenizer.save_pretrained(tmp_path / "llama")
    loaded = load(str(tmp_path / "llama"), sources)
    assert loaded.backbone.dtype == torch.bfloat16
    assert loaded.tokenizer.pad_token_id is not None
    assert loaded.tokenizer.padding_side == "right"
    cast = loaded.backbone.copy().cast(torch.float32).named_parameters()
    assert {p.dtype for p in cast.values()} == {torch.float32}
    given = model.get_input_embeddings().weight.float()
    assert torch.equal(cast["embeddings.embed_tokens.weight"], given)


def test_the_head_of_another_task_is_left_out_with_a_notice(folder: Path, sources: Sources) -> None:
    whole = BertForSequenceClassification.from_pretrained(folder, num_labels=3)
    whole.save_pretrained(folder)
    said: list[str] = []
    with notices_to(said.append):
        loaded = load(str(folder), sources)
    assert len(said) == 1
    assert "BertForSequenceClassification: its head (classifier) is left out" in said[0]
    assert not any("classifier" in name for name in loaded.backbone.named_parameters())


def test_a_folder_may_have_blanks_and_a_slash_at_its_end(folder: Path, sources: Sources) -> None:
    odd = folder.rename(folder.parent / "my best model")
    assert load(f"{odd}/", sources).backbone.depth == 4
    assert catalog.depth(f"{odd}/", sources) == 4
    assert catalog.identity(f"{odd}/") == catalog.identity(str(odd))


def test_a_record_names_the_weights_of_a_folder_and_the_commit_of_a_name_of_the_hub(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(name: str) -> str:
        return Registry(discover(), Sources(cache=tmp_path)).weights(name)

    before = known(str(folder))
    assert re.fullmatch("[0-9a-f]{12}", before)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")  # in the same process, as in a notebook
    assert known(str(folder)) not in ("", before)

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert known("some/encoder") == ""
    commit = "0123456789abcdef" * 2 + "01234567"
    stored = tmp_path / "hub" / "models--some--encoder"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text(commit)
    (stored / "snapshots" / commit).mkdir(parents=True)
    (stored / "snapshots" / commit / "config.json").write_text("{}")
    assert known("some/encoder") == commit[:12]


def test_a_revision_is_part_of_the_identity() -> None:
    assert catalog.identity("bert-base-uncased") == "hub:bert-base-uncased"
    assert catalog.identity("bert-base-uncased@v2") == "hub:bert-base-uncased@v2"
    assert catalog.hub_name("a/b@main") == ("a/b", "main")
    assert catalog.hub_name("a/b") == ("a/b", None)


def hub_error(kind: type[Exception]) -> Exception:
    """An exception of the hub's client, without the answer that it came with."""
    error = kind.__new__(kind)
    Exception.__init__(error, "of the hub\nin several lines")
    return error


@pytest.mark.parametrize(
    ("kind", "code", "remedy"),
    [
        (errors.GatedRepoError, "gated-backbone", "HF_TOKEN"),
        (errors.RepositoryNotFoundError, "no-backbone", "did you mean 'bert-base-uncased'?"),
        (errors.RevisionNotFoundError, "no-revision", "branch, tag or commit"),
        (errors.LocalEntryNotFoundError, "hub-unreachable", "connect once"),
        (errors.EntryNotFoundError, "no-backbone", "no config.json"),
    ],
)
def test_what_the_hub_refuses_is_one_line_with_the_remedy(
    kind: type[Exception], code: str, remedy: str, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("wrapped, as transformers does") from hub_error(kind)

    monkeypatch.setattr(catalog, "_config_file", refuse)
    with pytest.raises(BenchError) as error:
        catalog.depth("bert-base-uncasd", sources)
    assert error.value.code == code
    assert remedy in str(error.value)
    assert "\n" not in str(error.value)


def test_every_remedy_is_for_an_exception_that_the_client_has() -> None:
    assert all(hasattr(errors, name) for name in refusals.REMEDIES)


def sentence_encoder(encoder: Path, folder: Path, path: str, prompt: str) -> Path:
    """A folder as sentence-transformers writes it, whose weights lie in `path`."""
    shutil.copytree(encoder, folder / path)
    kinds = {"Transformer": path, "Pooling": "1_Pooling"}
    modules = [
        {"idx": n, "name": str(n), "path": where, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, where) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "cls"}))
    prompts = {"prompts": {"query": prompt}, "default_prompt_name": "query" if prompt else None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


@pytest.mark.parametrize("path", ["", "0_Transformer"])
def test_a_sentence_encoder_pools_as_it_says_and_reads_its_prompt(
    path: str, tiny_encoder: Path, tmp_path: Path, sources: Sources
) -> None:
    name = str(sentence_encoder(tiny_encoder, tmp_path / "sentences", path, "good film: "))
    loaded = load(name, sources)
    assert own_pooling(name).kind == "cls"
    assert catalog.depth(name, sources) == loaded.backbone.depth == 4
    assert loaded.prompt == "good film: "
    plain, prompted = loaded.tokenizer, loaded.text_tokenizer
    assert prompted("a bad one")["input_ids"] == plain("good film: a bad one")["input_ids"]
    assert plain("a bad one")["input_ids"] != prompted("a bad one")["input_ids"]


def test_without_a_default_prompt_texts_are_read_as_they_are(
    tiny_encoder: Path, tmp_path: Path, sources: Sources
) -> None:
    loaded = load(str(sentence_encoder(tiny_encoder, tmp_path / "sentences", "", "")), sources)
    assert loaded.prompt == ""
    assert loaded.text_tokenizer is loaded.tokenizer


def test_texts_beyond_the_table_of_positions_are_refused_before_training(
    toy_cell: Any, toy_context: Any, tmp_path: Path
) -> None:
    from dataclasses import replace

    from bench.engine.group import prepare_group

    tokenizer = of_family("gpt2")
    small_model("gpt2", vocab_size=len(tokenizer), max_position_embeddings=8).save_pretrained(
        tmp_path / "gpt"
    )
    tokenizer.save_pretrained(tmp_path / "gpt")
    cell = toy_cell("frozen", backbone=str(tmp_path / "gpt"))
    with pytest.raises(BenchError, match="at most 8") as error:
        prepare_group(cell, toy_context)
    assert error.value.code == "too-long-for-positions"
    prepare_group(replace(cell, recipe=replace(cell.recipe, max_length=8, stride=2)), toy_context)
