"""Tags of words: `python predict.py "Anna lives in Rome ."`. Needs transformers and torch, nothing else."""

import sys
from itertools import accumulate
from pathlib import Path

from transformers import pipeline


def predict(folder: str, sentences: list[list[str]]) -> list[list[str]]:
    """One tag a word: that of its first sub-word. A word beyond the length of training is O."""
    tag = pipeline("token-classification", model=folder, tokenizer=folder, ignore_labels=[])
    return [_of_words(words, tag(words, is_split_into_words=True)) for words in sentences]


def _of_words(words: list[str], tokens: list) -> list[str]:
    tokens = tokens[0] if tokens and isinstance(tokens[0], list) else tokens
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    tags: dict[int, str] = {}
    for token in tokens:
        word = max(number for number in range(len(words)) if starts[number] <= token["start"])
        tags.setdefault(word, token["entity"])
    return [tags.get(number, "O") for number in range(len(words))]


if __name__ == "__main__":
    for text in sys.argv[1:]:
        words = text.split()
        print(*zip(words, predict(str(Path(__file__).parent), [words])[0], strict=True))
