"""Made-up encoders and rows, so that a speed can be measured on a machine that has no data and no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.contracts import Splits, Task, TextExample
from bench.data.sources import Sources

VOCABULARY = 4096  # words
CLUES = 100  # words that tell a label, each
SIGNAL = 0.3  # of a row's words tell its label
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class Shape:
    """The dimensions of a BERT. vocabulary: rows of its table, those of the made-up words included."""

    layers: int
    width: int
    heads: int
    vocabulary: int = 30522


SHAPES = {
    "tiny": Shape(3, 32, 2, VOCABULARY + len(SPECIAL)),
    "minilm-size": Shape(6, 384, 12),
    "bert-base-size": Shape(12, 768, 12),
}


@dataclass(frozen=True)
class MadeUp:
    """A task of made-up texts (bench.registry.Description).

    length: words of each text; None: short texts, 27 tokens on average with the two that a tokenizer adds."""

    name: str
    train: int
    length: int | None = None

    def task(self, adapters: Mapping[str, type[Task]], tasks: Mapping[str, type[Task]]) -> type[Task]:
        """The task's class."""
        sizes = {"train": self.train, "validation": 128, "test": 128}
        made = self

        def splits(_: Task, sources: Sources) -> Splits:
            train, validation, test = (rows(name, count, made.length) for name, count in sizes.items())
            return Splits(train, validation, test)

        declared = {
            "name": self.name,
            "summary": "Two classes of made-up texts",
            "licence": "made up",
            "origin": f"made-up-{self.train}-{self.length}",
            "sizes": "/".join(map(str, sizes.values())),
            "splits": splits,
        }
        return type("MadeUpTask", (adapters["sentiment"],), declared)


def save_encoder(folder: Path, shape: Shape) -> Path:
    """Write a BERT with random weights, equal ones each time, and a tokenizer that knows the made-up words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    entries = {entry: number for number, entry in enumerate([*SPECIAL, *map(word, range(VOCABULARY))])}
    tokenizer = Tokenizer(models.WordLevel(entries, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single="[CLS] $A [SEP]", special_tokens=[(name, entries[name]) for name in ("[CLS]", "[SEP]")]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", **names)
    config = BertConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=4 * shape.width,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def word(number: int) -> str:
    """A made-up word; the first CLUES tell one label, the next CLUES the other."""
    return f"w{number}"


def rows(name: str, count: int, length: int | None) -> list[TextExample]:
    """Rows with two labels, told by some of the words. length: as in `MadeUp`."""
    rng = np.random.default_rng([count, length or 0, *name.encode()])
    short = np.clip(rng.lognormal(3.1, 0.5, count), 2, 126).astype(int)
    found = []
    for number in range(count):
        label = number % 2
        size = length or int(short[number])
        clues = label * CLUES + rng.integers(0, CLUES, size)
        others = rng.integers(2 * CLUES, VOCABULARY, size)
        words = np.where(rng.random(size) < SIGNAL, clues, others)
        found.append(
            TextExample(f"{name}{number}", " ".join(map(word, words)), ("negative", "positive")[label])
        )
    return found
