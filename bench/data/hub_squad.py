"""SQuAD's layout on the hub (1.1 and 2.0): a question a row, its answers as texts and their first characters.

The official test sets are not public, so the development set is the test set. A tenth of the training set, by
article, becomes the validation set."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bench.contracts import QuestionExample, Splits
from bench.data.formats import question_example, refusing_row
from bench.data.sources import Sources
from bench.data.splits import with_validation


def squad_splits(sources: Sources, path: str, salt: str) -> Splits:
    """The splits of the hub's data set at `path`. BenchError where a row has another layout."""
    rows = sources.hub(path)
    train, dev = (_examples(rows[split], split) for split in ("train", "validation"))
    return with_validation(train, dev, fraction=0.1, salt=salt)


def _examples(rows: Iterable[dict[str, Any]], split: str) -> list[QuestionExample]:
    found = []
    for number, row in enumerate(rows):
        with refusing_row(split, number):
            answers = list(zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True))
            example = question_example(row["id"], row["title"], row["question"], row["context"], answers)
            if answers and not example.answers:  # it would count as a question without an answer
                raise ValueError(f"its answer '{answers[0][0][:40]}' is not in the context")
            found.append(example)
    return found
