"""Tags of words with their probabilities. Needs transformers and torch, nothing else.

python predict.py "Anna lives in Rome ." "Words are separated by blanks ."
python predict.py --file sentences.txt --out predictions.csv"""

import os
import sys
from itertools import accumulate
from pathlib import Path

os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # threads that spin lose most of their speed on a shared core

from transformers import pipeline


def probabilities(folder: str, sentences: list[list[str]]) -> list[list[tuple[str, float]]]:
    """(tag, probability) of every word: those of its first sub-word. A word beyond the length of training is O,
    with probability 0: it was not read."""
    tag = pipeline("token-classification", model=folder, tokenizer=folder, ignore_labels=[])
    if not _reads_words(tag.tokenizer):
        sentences = [[f" {word}" for word in words] for words in sentences]
    return [_of_words(words, tag(words, is_split_into_words=True)) if words else [] for words in sentences]


def answers(folder: str, found: list[list[tuple[str, float]]]) -> list[list[str]]:
    """One tag a word."""
    return [[tag for tag, _ in words] for words in found]


def predict(folder: str, sentences: list[list[str]]) -> list[list[str]]:
    """The tags of sentences, one a word."""
    return answers(folder, probabilities(folder, sentences))


def _reads_words(tokenizer) -> bool:
    """Whether words have the tokens that they have in a text, with the blank before them."""
    words = ["Anna", "lives", "in", "Rome", "12"]
    as_words = tokenizer(words, is_split_into_words=True, add_special_tokens=False)["input_ids"]
    return as_words == tokenizer(" ".join(words), add_special_tokens=False)["input_ids"]


def _of_words(words: list[str], tokens: list) -> list[tuple[str, float]]:
    tokens = tokens[0] if tokens and isinstance(tokens[0], list) else tokens
    starts = [0, *accumulate(len(word) + 1 for word in words)]
    tags: dict[int, tuple[str, float]] = {}
    for token in tokens:
        word = max(number for number in range(len(words)) if starts[number] <= token["start"])
        tags.setdefault(word, (token["entity"], float(token["score"])))
    return [tags.get(number, ("O", 0.0)) for number in range(len(words))]


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))  # also under python -P
    from predict_files import arguments, read, write

    given = arguments("Tags of words, as CSV with a row a word.", ["words"])
    texts = given.texts
    if given.file:
        texts = [row[0] for row in read(given.file, [("words", given.words)], given.encoding)]
    sentences = [text.split() if isinstance(text, str) else text for text in texts]
    found = probabilities(str(Path(__file__).parent), sentences)
    rows = [
        [number, word, tag, share]
        for number, (words, tags) in enumerate(zip(sentences, found, strict=True), 1)
        for word, (tag, share) in zip(words, tags, strict=True)
    ]
    write(given.out, ["sentence", "word", "tag", "probability"], rows)


if __name__ == "__main__":
    main()
