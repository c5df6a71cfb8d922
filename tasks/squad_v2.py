"""SQuAD 2.0 (Rajpurkar et al., ACL 2018): a third of the training questions have no answer in their paragraph.

The development set is the test set, because the official test set is not public. A tenth of the training set, by
article, becomes the validation set.
"""

from __future__ import annotations

from typing import Any

from bench.contracts import QuestionExample, Splits
from bench.data.formats import question_example
from bench.data.sources import Sources
from bench.data.splits import with_validation
from tasks.unanswerable import UnanswerableQA


class SquadV2(UnanswerableQA):
    name = "squad_v2"
    summary = "The words that answer a question, or none (SQuAD 2.0, from the hub)"
    licence = "CC BY-SA 4.0"
    sizes = "about 117,300/13,000/11,873 on the hub"

    def splits(self, sources: Sources) -> Splits:
        rows = sources.hub("rajpurkar/squad_v2")
        train, dev = ([_example(row) for row in rows[split]] for split in ("train", "validation"))
        return with_validation(train, dev, fraction=0.1, salt="squad_v2")


def _example(row: dict[str, Any]) -> QuestionExample:
    answers = zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
    return question_example(row["id"], row["title"], row["question"], row["context"], answers)
