"""Labels of texts: `python predict.py "a text" "another one"`. Needs transformers and torch, nothing else."""

import sys
from pathlib import Path

from transformers import pipeline


def predict(folder: str, texts: list[str]) -> list[str]:
    """One label a text; texts are cut where they were cut in training."""
    classify = pipeline("text-classification", model=folder, tokenizer=folder, truncation=True)
    return [found["label"] for found in classify(texts)]


if __name__ == "__main__":
    print(*predict(str(Path(__file__).parent), sys.argv[1:]), sep="\n")
