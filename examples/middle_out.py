"""A strategy of your own: `python -m bench run quick --plugin examples/middle_out.py -s middle-out`."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class MiddleOut(Strategy):
    """The head, then the middle layer too (after Lee et al. 2019, arXiv 1911.03090)."""

    name = "middle-out"
    summary = "the head, then the middle layer too"
    paper = "arXiv 1911.03090"
    rate: float = 1e-4

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no layers")
        middle = ((f"layers.{depth // 2}.*", self.rate), ("*", FROZEN))
        return (Phase(0.5), Phase(0.5, middle))
