"""Checkpoints as people save them: small random models of real architectures, each written to a folder in a way of
its own."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.support.families import small_config, small_model
from tests.support.tokenizers import of_family

Way = Callable[[Path], Path]
"""Writes a checkpoint below an empty folder; returns what `--backbone` is given."""


def plain(folder: Path, family: str = "bert", tokenizer: Any = None, **changes: Any) -> Path:
    """Weights, configuration and tokenizer, as `save_pretrained` writes them."""
    tokenizer = tokenizer or of_family(family)
    small_model(family, **{"vocab_size": len(tokenizer) + 8, **changes}).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def edited(path: Path, **changes: Any) -> None:
    """Set keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def configured(folder: Path, family: str = "bert", **keys: Any) -> Path:
    """With such keys in config.json."""
    plain(folder, family)
    edited(folder / "config.json", **keys)
    return folder


def tokenized(folder: Path, family: str = "bert", **keys: Any) -> Path:
    """With such keys in tokenizer_config.json."""
    plain(folder, family)
    edited(folder / "tokenizer_config.json", **keys)
    return folder


def with_head(folder: Path, cls: str, family: str, **changes: Any) -> Path:
    """The checkpoint of a class with a head."""
    import transformers

    tokenizer = of_family(family)
    config = small_config(family, vocab_size=len(tokenizer) + 8, **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        getattr(transformers, cls)(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sharded(folder: Path) -> Path:
    plain(folder)
    small_model("bert", vocab_size=len(of_family("bert")) + 8).save_pretrained(folder, max_shard_size="20KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    return folder


def cast(folder: Path, family: str, dtype: torch.dtype, cls: str = "") -> Path:
    import transformers

    with_head(folder, cls, family) if cls else plain(folder, family)
    kind = getattr(transformers, cls or "AutoModel")
    kind.from_pretrained(folder, dtype=dtype).save_pretrained(folder)
    return folder


def pickled(folder: Path) -> Path:
    plain(folder)
    (folder / "model.safetensors").unlink()
    torch.save(small_model("bert").state_dict(), folder / "pytorch_model.bin")
    return folder


def adapter_alone(folder: Path) -> Path:
    """What `PeftModel.save_pretrained` writes."""
    import peft
    from transformers import AutoModel

    plain(folder / "base")
    config = peft.LoraConfig(target_modules=["query", "value"], r=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, which peft calls by an old name
        model = peft.get_peft_model(AutoModel.from_pretrained(folder / "base"), config)
        model.save_pretrained(str(folder / "adapter"))
    of_family("bert").save_pretrained(folder / "adapter")
    return folder / "adapter"


def adapter_beside(folder: Path) -> Path:
    """An adapter in the folder of the model that it changes."""
    adapter = adapter_alone(folder)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(adapter / name, folder / "base" / name)
    return folder / "base"


def sentences(
    folder: Path,
    family: str = "bert",
    pooling: str = "mean",
    *,
    dense: bool = False,
    prompts: Mapping[str, str] | None = None,
    default: str | None = None,
    path: str = "",
    lower: bool = False,
    **changes: Any,
) -> Path:
    """A folder of sentence-transformers."""
    from safetensors.torch import save_file

    plain(folder / path, family, **changes)
    width = 32
    modules = [("Transformer", path), ("Pooling", "1_Pooling")]
    if dense:
        modules += [("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
        (folder / "2_Dense").mkdir()
        save_file({"linear.weight": torch.eye(width)}, folder / "2_Dense" / "model.safetensors")
        (folder / "2_Dense" / "config.json").write_text(json.dumps({"in_features": width}))
    entries = [
        {"idx": n, "name": str(n), "path": where, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, where) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    given = {"prompts": dict(prompts or {}), "default_prompt_name": default}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(given))
    bert = {"max_seq_length": 32, "do_lower_case": lower}
    (folder / path / "sentence_bert_config.json").write_text(json.dumps(bert))
    return folder


def without(folder: Path, names: Sequence[str], family: str = "bert") -> Path:
    """Without some files."""
    plain(folder, family)
    for name in names:
        (folder / name).unlink()
    return folder


def vocabulary_alone(folder: Path) -> Path:
    """A tokenizer of vocab.txt, as of 2019."""
    without(folder, ["tokenizer.json"])
    words = sorted(of_family("bert").get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("\n".join(word for word, _ in words) + "\n")
    edited(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    return folder


def slow(folder: Path) -> Path:
    without(folder, ["tokenizer.json"])
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CanineTokenizer"}')
    return folder


def piece_model(folder: Path) -> Path:
    """A tokenizer that is a SentencePiece model alone."""
    without(folder, ["tokenizer.json", "tokenizer_config.json"], "t5")
    (folder / "spiece.model").write_bytes(b"\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02")
    return folder


def damaged_tokenizer(folder: Path) -> Path:
    """A tokenizer.json that another version of the library wrote."""
    plain(folder)
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    edited(folder / "tokenizer.json", model={**model, "type": "NewModel"})
    return folder


def resized(folder: Path, *, table: bool = True) -> Path:
    """With added tokens; table: the embeddings were resized."""
    import copy

    tokenizer = copy.deepcopy(of_family("bert"))
    tokenizer.add_tokens(["good", "transferable", "<entity>"])
    model = small_model("bert", vocab_size=len(of_family("bert")))
    if table:
        model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def padded_behind_the_table(folder: Path) -> Path:
    """A padding token that was added without resizing, as in many tuned decoders."""
    import copy

    tokenizer = copy.deepcopy(of_family("llama"))
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    small_model("llama", vocab_size=len(tokenizer) - 1).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def fixed_in_the_tokenizer(folder: Path) -> Path:
    """tokenizer.json with truncation and padding, as sentence-transformers wrote it."""
    plain(folder)
    truncation = {"direction": "Right", "max_length": 6, "strategy": "LongestFirst", "stride": 0}
    padding = {
        "strategy": {"Fixed": 6},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    edited(folder / "tokenizer.json", truncation=truncation, padding=padding)
    return folder


def as_in_the_cache(folder: Path, *, snapshot: bool = True) -> Path:
    """The layout of the hub's cache: links to blobs. snapshot: the folder of the revision, else that of the
    repository."""
    repository = folder / "models--someone--tiny"
    revision = "0123456789abcdef0123456789abcdef01234567"
    target = repository / "snapshots" / revision
    target.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    for path in plain(folder / "given").iterdir():
        blob = repository / "blobs" / f"{path.name}-blob"
        shutil.move(path, blob)
        (target / path.name).symlink_to(Path("../../blobs") / blob.name)
    return target if snapshot else repository


def trainer_output(folder: Path) -> Path:
    """The output folder of a Trainer that was stopped: nothing but checkpoints."""
    plain(folder / "checkpoint-500")
    return folder


def lacking_a_shard(folder: Path) -> Path:
    sharded(folder)
    sorted(folder.glob("*.safetensors"))[0].unlink()
    return folder


def compiled(folder: Path) -> Path:
    """State of a module that torch.compile wrapped."""
    from safetensors.torch import load_file, save_file

    plain(folder)
    found = load_file(folder / "model.safetensors")
    save_file(
        {f"_orig_mod.{name}": value for name, value in found.items()},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    return folder


def renamed(folder: Path) -> Path:
    """A safetensors file with a name that the library does not look for."""
    plain(folder)
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    return folder


def rope(kind: str, **keys: Any) -> Way:
    values = {"rope_type": kind, "rope_theta": 10000.0, **keys}
    return partial(plain, family="llama", rope_parameters=values, max_position_embeddings=64)


LOADED: dict[str, Way] = {
    "plain": plain,
    "sharded": sharded,
    "fp16": partial(cast, family="bert", dtype=torch.float16),
    "bf16": partial(cast, family="roberta", dtype=torch.bfloat16),
    "bf16 decoder": partial(cast, family="llama", dtype=torch.bfloat16, cls="LlamaForCausalLM"),
    "fp16 decoder": partial(cast, family="gpt2", dtype=torch.float16, cls="GPT2LMHeadModel"),
    "masked lm": partial(with_head, cls="BertForMaskedLM", family="bert"),
    "pretraining": partial(with_head, cls="BertForPreTraining", family="bert"),
    "electra": partial(with_head, cls="ElectraForPreTraining", family="electra"),
    "classifier": partial(with_head, cls="RobertaForSequenceClassification", family="roberta", num_labels=7),
    "tagger": partial(with_head, cls="DebertaV2ForTokenClassification", family="deberta-v2"),
    "questions": partial(with_head, cls="DistilBertForQuestionAnswering", family="distilbert"),
    "untied lm": partial(with_head, cls="LlamaForCausalLM", family="llama", tie_word_embeddings=False),
    "tied lm": partial(with_head, cls="Qwen2ForCausalLM", family="qwen2", tie_word_embeddings=True),
    "gpt lm": partial(with_head, cls="GPT2LMHeadModel", family="gpt2"),
    "gemma lm": partial(with_head, cls="GemmaForCausalLM", family="gemma"),
    "neox lm": partial(with_head, cls="GPTNeoXForCausalLM", family="gpt_neox"),
    "t5 lm": partial(with_head, cls="T5ForConditionalGeneration", family="t5"),
    "t5 encoder": partial(with_head, cls="T5EncoderModel", family="t5"),
    "t5 v1.1": partial(
        with_head, cls="T5ForConditionalGeneration", family="t5", feed_forward_proj="gated-gelu"
    ),
    "mt5 encoder": partial(with_head, cls="MT5EncoderModel", family="mt5"),
    "bart lm": partial(with_head, cls="BartForConditionalGeneration", family="bart", scale_embedding=True),
    "bart classifier": partial(with_head, cls="BartForSequenceClassification", family="bart"),
    "albert lm": partial(with_head, cls="AlbertForMaskedLM", family="albert"),
    "xlnet lm": partial(with_head, cls="XLNetLMHeadModel", family="xlnet"),
    "modernbert lm": partial(with_head, cls="ModernBertForMaskedLM", family="modernbert"),
    "eurobert lm": partial(with_head, cls="EuroBertForMaskedLM", family="eurobert"),
    "ettin lm": partial(with_head, cls="ModernBertDecoderForCausalLM", family="modernbert-decoder"),
    "sentences": partial(sentences, pooling="cls"),
    "sentences, dense": partial(sentences, pooling="mean", dense=True),
    "sentences, old layout": partial(sentences, path="0_Transformer"),
    "sentences, prompt": partial(sentences, prompts={"query": "the film "}, default="query"),
    "sentences, prompts": partial(sentences, prompts={"query": "the film "}),
    "qwen3 embedding": partial(
        sentences, family="qwen3", pooling="lasttoken", prompts={"query": "see: ", "document": ""}
    ),
    "gemma embedding": partial(
        sentences, family="gemma3_text", dense=True, use_bidirectional_attention=True, sliding_window=4
    ),
    "sentence-t5": partial(sentences, family="t5", dense=True),
    "vocab.txt": vocabulary_alone,
    "tokenizer.json alone": partial(without, names=["tokenizer_config.json"], family="llama"),
    "added tokens": resized,
    "left padding": partial(tokenized, family="llama", padding_side="left"),
    "left truncation": partial(tokenized, truncation_side="left"),
    "short tokenizer": partial(tokenized, model_max_length=6),
    "fixed in the tokenizer": fixed_in_the_tokenizer,
    "no padding token": partial(plain, family="gpt2", pad_token_id=None),
    "padding is -1": partial(configured, family="llama", pad_token_id=-1),
    "padding beyond the vocabulary": partial(configured, family="llama", pad_token_id=32000),
    "padding is the end": partial(configured, family="qwen2", pad_token_id=3),
    "hidden states": partial(configured, output_hidden_states=True, output_attentions=True),
    "hidden states of a decoder": partial(configured, family="llama", output_hidden_states=True),
    "tuples": partial(configured, return_dict=False),
    "torchscript": partial(configured, torchscript=True),
    "flash attention": partial(configured, family="llama", _attn_implementation="flash_attention_2"),
    "checkpointing": partial(configured, gradient_checkpointing=True, use_cache=True),
    "chunks": partial(configured, chunk_size_feed_forward=2),
    "linear rope": rope("linear", factor=2.0),
    "dynamic rope": rope("dynamic", factor=2.0),
    "yarn": rope("yarn", factor=4.0, original_max_position_embeddings=32),
    "llama3 rope": rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32
    ),
    "old rope keys": partial(configured, family="llama", rope_scaling={"type": "linear", "factor": 2.0}),
    "mistral window": partial(plain, family="mistral", sliding_window=4),
    "qwen2 window": partial(
        plain, family="qwen2", use_sliding_window=True, sliding_window=4, max_window_layers=1
    ),
    "gemma2 window": partial(plain, family="gemma2", sliding_window=4),
    "snapshot": as_in_the_cache,
    "blanks": lambda folder: plain(folder / "my best model"),
    "slash": lambda folder: Path(f"{plain(folder)}/"),
    "link": lambda folder: _linked(folder),
    "at": lambda folder: plain(folder / "model@v2"),
    "other layer types": partial(plain, family="gemma3_text", layer_types=["full_attention"] * 3),
}


def _linked(folder: Path) -> Path:
    plain(folder / "real")
    (folder / "link").symlink_to(folder / "real")
    return folder / "link"


REFUSED: dict[str, tuple[Way, str, str]] = {
    "pickled": (pickled, "no-safetensors", "safe_serialization"),
    "adapter": (adapter_alone, "adapter", "merge_and_unload"),
    "adapter beside": (adapter_beside, "adapter", "merge_and_unload"),
    "no tokenizer": (
        partial(without, names=["tokenizer.json", "tokenizer_config.json"]),
        "no-tokenizer",
        "save_pretrained",
    ),
    "slow tokenizer": (slow, "slow-tokenizer", "tokenizer.json"),
    "SentencePiece alone": (piece_model, "no-tokenizer", "tokenizer.json"),
    "added tokens, table as before": (
        partial(resized, table=False),
        "wrong-tokenizer",
        "resize_token_embeddings",
    ),
    "padding behind the table": (padded_behind_the_table, "wrong-tokenizer", "resize_token_embeddings"),
    "repository of the cache": (partial(as_in_the_cache, snapshot=False), "no-safetensors", "snapshots"),
    "output of a Trainer": (trainer_output, "no-safetensors", "checkpoint-500"),
    "a shard is missing": (lacking_a_shard, "wrong-index", "safetensors"),
    "compiled": (compiled, "wrong-weights", "_orig_mod"),
    "renamed": (renamed, "cannot-load-backbone", "model.safetensors"),
    "bitsandbytes": (
        partial(
            configured,
            family="llama",
            quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True},
        ),
        "quantised-backbone",
        "full precision",
    ),
    "gptq": (
        partial(configured, family="llama", quantization_config={"quant_method": "gptq", "bits": 4}),
        "quantised-backbone",
        "full precision",
    ),
    "damaged tokenizer": (damaged_tokenizer, "no-tokenizer", "tokenizer.json"),
    "remote code": (
        partial(
            configured, model_type="new", auto_map={"AutoConfig": "new.NewConfig", "AutoModel": "new.New"}
        ),
        "remote-code",
        "never run",
    ),
    "unknown architecture": (partial(configured, model_type="new"), "cannot-load-backbone", "`new`"),
    "pictures": (partial(configured, model_type="vit"), "unsupported-backbone", ""),
}
