"""SQuAD 1.1 (Rajpurkar et al., EMNLP 2016).

The development set is the test set, because the official test set is not public. A tenth of the training set, by
article, becomes the validation set.
"""

from __future__ import annotations

from typing import Any

from bench.contracts import QuestionExample, Splits
from bench.data.formats import question_example
from bench.data.sources import Sources
from bench.data.splits import with_validation
from tasks.qa import QA


class SquadV1(QA):
    name = "squad_v1"
    summary = "The words of a paragraph that answer a question (SQuAD 1.1, from the hub)"
    licence = "CC BY-SA 4.0"
    sizes = "about 78,800/8,800/10,570 on the hub"

    def splits(self, sources: Sources) -> Splits:
        rows = sources.hub("rajpurkar/squad")
        train, dev = ([_example(row) for row in rows[split]] for split in ("train", "validation"))
        return with_validation(train, dev, fraction=0.1, salt="squad_v1")


def _example(row: dict[str, Any]) -> QuestionExample:
    answers = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
    return question_example(row["id"], row["title"], row["question"], row["context"], answers)
