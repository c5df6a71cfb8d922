"""Labels of texts with their probabilities, or numbers. Needs transformers and torch, nothing else.

python predict.py "a text" "another one"
python predict.py --file reviews.csv --text review --out predictions.csv

A model that reads pairs of texts takes the two of one pair, or --file with --text and --pair.

The encoder is a standard one; a linear map reads the mean of its tokens, the first or the last, as
1_Pooling/config.json says. No class of transformers pools so, hence these lines."""

import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from transformers import AutoConfig, AutoTokenizer

Input = str | tuple[str, str]
"""A text, or a pair of texts."""


def probabilities(folder: str, texts: list[Input]) -> list[dict[str, float]]:
    """The labels of every text (or pair) with their probabilities, or its number; texts are cut where they were
    cut in training."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    (name,) = AutoConfig.from_pretrained(folder).architectures
    encoder = getattr(transformers, name).from_pretrained(folder).eval()
    pooling = json.loads((Path(folder) / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    head = load_file(Path(folder) / "2_Dense" / "model.safetensors")
    labels = encoder.config.id2label
    segments = getattr(encoder.config, "type_vocab_size", 0) > 1 or encoder.config.model_type == "xlnet"
    kind = encoder.config.problem_type or ""
    found = []
    for text in texts:
        both = (text,) if isinstance(text, str) else text
        tokens = tokenizer(*both, truncation=True, return_token_type_ids=segments, return_tensors="pt")
        with torch.inference_mode():
            hidden = encoder(**tokens).last_hidden_state[0]
            ends = {"pooling_mode_cls_token": hidden[0], "pooling_mode_lasttoken": hidden[-1]}
            vector = next((end for mode, end in ends.items() if pooling[mode]), hidden.mean(0))
            logits = head["linear.weight"] @ vector + head["linear.bias"]
        shares = {"regression": logits, "multi_label_classification": logits.sigmoid()}.get(kind)
        shares = logits.softmax(0) if shares is None else shares
        found.append({labels[number]: float(share) for number, share in enumerate(shares)})
    return found


def predict(folder: str, texts: list[Input]) -> list[Any]:
    """For each text the most probable label; all that are probable enough, where a text may have several; or a
    number."""
    config = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    return [decided(found, config) for found in probabilities(folder, texts)]


def decided(found: dict[str, float], config: dict[str, Any]) -> Any:
    kind = config.get("problem_type")
    if kind == "regression":
        return next(iter(found.values()))
    if kind == "multi_label_classification":
        return sorted(label for label, share in found.items() if share > config.get("label_threshold", 0.5))
    return max(found, key=found.__getitem__)


def main() -> None:
    from predict_files import label_texts

    label_texts(lambda texts: probabilities(str(Path(__file__).parent), texts), decided)


if __name__ == "__main__":
    main()
