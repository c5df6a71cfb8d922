"""Labels of texts with their probabilities. Needs transformers and torch, nothing else.

python predict.py "a text" "another one"
python predict.py --file reviews.csv --text review --out predictions.csv"""

from pathlib import Path
from typing import Any

from transformers import pipeline


def probabilities(folder: str, texts: list[str]) -> list[dict[str, float]]:
    """The labels of every text with their probabilities; texts are cut where they were cut in training."""
    classify = pipeline("text-classification", model=folder, tokenizer=folder, truncation=True, top_k=None)
    answers: Any = classify(texts)
    return [{item["label"]: item["score"] for item in found} for found in answers]


def predict(folder: str, texts: list[str]) -> list[str]:
    """One label a text, the most probable one."""
    return [max(found, key=found.__getitem__) for found in probabilities(folder, texts)]


def main() -> None:
    from predict_files import arguments, read, write

    given = arguments("Labels of texts, as CSV.", ["text"])
    texts = [row[0] for row in read(given.file, [("text", given.text)])] if given.file else given.texts
    found = probabilities(str(Path(__file__).parent), [str(text) for text in texts])
    labels = sorted(found[0]) if found else []
    rows = [
        [text, max(row, key=row.__getitem__), *(row[label] for label in labels)]
        for text, row in zip(texts, found, strict=True)
    ]
    write(given.out, ["text", "label", *(f"p({label})" for label in labels)], rows)


if __name__ == "__main__":
    main()
