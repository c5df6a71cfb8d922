"""Labels of texts with their probabilities, or numbers. Needs transformers and torch, nothing else.

python predict.py "a text" "another one"
python predict.py --file reviews.csv --text review --out predictions.csv

A model that reads pairs of texts takes the two of one pair, or --file with --text and --pair.

With a folder 1_Pooling, the encoder is a plain one, and a linear map reads the mean of its tokens, the first or the
last; no class of transformers pools so. Without it, the model is a standard AutoModelForSequenceClassification.
config.json says how a long text is read: `text_windows` (mean or max) pools the logits of windows that share
`text_stride` tokens; `text_truncation` (head+tail) keeps both ends; otherwise its end is cut off."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # threads that spin lose most of their speed on a shared core

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

Input = str | tuple[str, str]
"""A text, or a pair of texts."""

CHARACTERS = 100_000  # that are read of a text, as in training


def probabilities(folder: str, texts: list[Input]) -> list[dict[str, float]]:
    """The labels of every text (or pair) with their probabilities, or its number. Texts are read as in training."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    logits, config = _model(folder)
    found = []
    for text in texts:
        rows = torch.stack([logits(sequence) for sequence in _sequences(text, tokenizer, config)])
        pooled = rows.amax(0) if getattr(config, "text_windows", "") == "max" else rows.mean(0)
        shares = _shares(pooled.double(), config.problem_type or "")
        found.append({config.id2label[number]: float(share) for number, share in enumerate(shares)})
    return found


def answers(folder: str, found: list[dict[str, float]]) -> list[Any]:
    """For each text the most probable label; all that are probable enough, where a text may have several; or a
    number."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    kind, threshold = config.get("problem_type"), config.get("label_threshold", 0.5)
    if kind == "regression":
        return [next(iter(item.values())) for item in found]
    if kind == "multi_label_classification":
        return [sorted(label for label, share in item.items() if share > threshold) for item in found]
    return [max(item, key=item.__getitem__) for item in found]


def predict(folder: str, texts: list[Input]) -> list[Any]:
    """The answers on texts."""
    return answers(folder, probabilities(folder, texts))


def _model(folder: str) -> tuple[Callable[[dict[str, Tensor]], Tensor], Any]:
    """What gives the logits of a sequence of tokens, and the configuration."""
    if not (Path(folder) / "1_Pooling").is_dir():
        model: Any = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        return torch.inference_mode()(lambda tokens: model(**tokens).logits[0]), model.config
    names = AutoConfig.from_pretrained(folder).architectures or ["AutoModel"]
    encoder = getattr(transformers, names[0]).from_pretrained(folder).eval()
    pooling = json.loads((Path(folder) / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    head = load_file(Path(folder) / "2_Dense" / "model.safetensors")

    def pooled(tokens: dict[str, Tensor]) -> Tensor:
        hidden = encoder(**tokens).last_hidden_state[0]
        ends = {"pooling_mode_cls_token": hidden[0], "pooling_mode_lasttoken": hidden[-1]}
        vector = next((end for mode, end in ends.items() if pooling[mode]), hidden.mean(0))
        return head["linear.weight"] @ vector + head["linear.bias"]

    return torch.inference_mode()(pooled), encoder.config


def _sequences(text: Input, tokenizer: Any, config: Any) -> list[dict[str, Tensor]]:
    """What the model reads of a text: one sequence of tokens, or one for each of its windows."""
    texts = [[part[:CHARACTERS]] for part in ((text,) if isinstance(text, str) else text)]
    types = getattr(config, "type_vocab_size", 0) > 1 or config.model_type == "xlnet"
    windows = bool(getattr(config, "text_windows", ""))
    ends = getattr(config, "text_truncation", "") == "head+tail"
    found = tokenizer(
        *texts,
        truncation=not ends,
        stride=config.text_stride if windows else 0,
        return_overflowing_tokens=windows,
        return_token_type_ids=types,
        return_special_tokens_mask=True,
        verbose=False,
    )
    none = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id or 0
    sequences = []
    for number, ids in enumerate(found["input_ids"]):
        kept = slice(None)
        if ends:
            kept = _both_ends(found["special_tokens_mask"][number], tokenizer.model_max_length)
        tokens = {"input_ids": torch.tensor(ids)[kept] if ids else torch.tensor([none])}
        tokens["attention_mask"] = torch.ones_like(tokens["input_ids"])
        if types:
            tokens["token_type_ids"] = torch.tensor(found["token_type_ids"][number] or [0])[kept]
        sequences.append({name: values[None] for name, values in tokens.items()})
    return sequences


def _both_ends(special: list[int], most: int) -> Any:
    """The places of a long text that are kept: the first quarter and the last three of what fits, between the
    special tokens (Sun et al. 2019, arXiv 1905.05583)."""
    if len(special) <= most:
        return slice(None)
    first = next((place for place, mark in enumerate(special) if not mark), 0)
    last = next((place for place, mark in enumerate(reversed(special)) if not mark), 0)
    head = first + (most - first - last) // 4
    return [*range(head), *range(len(special) - (most - head), len(special))]


def _shares(logits: Tensor, kind: str) -> Tensor:
    """Probabilities from logits; the number itself in regression."""
    if kind == "regression":
        return logits
    return logits.sigmoid() if kind == "multi_label_classification" else logits.softmax(0)


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))  # also under python -P
    from predict_files import label_texts

    folder = str(Path(__file__).parent)
    label_texts(lambda texts: probabilities(folder, texts), lambda found: answers(folder, found))


if __name__ == "__main__":
    main()
