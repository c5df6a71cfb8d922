"""Everything learns at first; layers whose gradients have settled freeze from below."""

from dataclasses import dataclass

from bench.contracts import Phase, Strategy


@dataclass(frozen=True)
class AutoFreeze(Strategy):
    """Layers freeze from below as their gradients settle (AutoFreeze: Liu et al. 2021, arXiv 2102.01386).

    percentile: at every validation pass from the second one on, the lowest layers freeze whose gradient has changed
    less than this percentile of the layers that still learn. The paper takes the median. The recipe's `evaluations`
    say how many passes there are."""

    name = "auto-freeze"
    summary = "everything, then fewer and fewer layers: from below, as their gradients settle"
    paper = "arXiv 2102.01386"
    percentile: float = 50.0
    rate: float = 1e-4
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no layers to freeze")
        return (Phase(1.0, (("*", self.rate),), head=self.head_rate, freeze=self.percentile),)
