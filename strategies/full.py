"""Full fine-tuning: the strategy that all others are compared with."""

from dataclasses import dataclass

from bench.contracts import Phase, Strategy


@dataclass(frozen=True)
class Full(Strategy):
    """Everything learns at one rate (Devlin et al. 2019, arXiv 1810.04805)."""

    name = "full"
    summary = "everything learns"
    paper = "arXiv 1810.04805"
    rate: float = 1e-4
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", self.rate),), head=self.head_rate),)
