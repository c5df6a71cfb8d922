"""The control that shows what transfer is worth."""

from dataclasses import dataclass

from bench.contracts import Phase, Strategy


@dataclass(frozen=True)
class Scratch(Strategy):
    """Everything learns from random weights, with the same architecture, tokenizer and budget (the control of
    Howard and Ruder 2018, arXiv 1801.06146, table 4)."""

    name = "scratch"
    summary = "everything learns, from random weights: the control without transfer"
    paper = "arXiv 1801.06146"
    pretrained = False
    rate: float = 5e-4
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", self.rate),), head=self.head_rate),)
