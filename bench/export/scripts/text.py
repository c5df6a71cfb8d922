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
    from predict_files import label_texts

    label_texts(lambda texts: probabilities(str(Path(__file__).parent), texts))


if __name__ == "__main__":
    main()
