"""Labels of texts with their probabilities, or numbers. Needs transformers and torch, nothing else.

python predict.py "a text" "another one"
python predict.py --file reviews.csv --text review --out predictions.csv

A model that reads pairs of texts takes the two of one pair, or --file with --text and --pair."""

import json
from pathlib import Path
from typing import Any

from transformers import pipeline

Input = str | tuple[str, str]
"""A text, or a pair of texts."""


def probabilities(folder: str, texts: list[Input]) -> list[dict[str, float]]:
    """The labels of every text (or pair) with their probabilities, or its number; texts are cut where they were
    cut in training."""
    classify = pipeline("text-classification", model=folder, tokenizer=folder, truncation=True, top_k=None)
    inputs: list[Any] = [
        text if isinstance(text, str) else {"text": text[0], "text_pair": text[1]} for text in texts
    ]
    answers: Any = classify(inputs)
    return [{item["label"]: item["score"] for item in found} for found in answers]


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
