"""Masked words of the task's own texts first, then full fine-tuning."""

from dataclasses import dataclass

from bench.contracts import Phase, Strategy


@dataclass(frozen=True)
class TaskAdaptive(Strategy):
    """Task-adaptive pretraining on the training texts, then full fine-tuning (Gururangan et al. 2020, arXiv
    2004.10964; the second stage of ULMFiT, Howard and Ruder 2018, arXiv 1801.06146).

    passes: steps on masked words, as a multiple of the steps on the task. The paper takes 100 epochs."""

    name = "tapt"
    summary = "masked words of the task's own texts first, then everything learns"
    paper = "arXiv 2004.10964"
    passes: float = 1.0
    pretraining_rate: float = 1e-4
    rate: float = 1e-4
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors predict no masked words")
        words = Phase(self.passes, (("*", self.pretraining_rate),), objective="masked-lm")
        return (words, Phase(1.0, (("*", self.rate),), head=self.head_rate))
