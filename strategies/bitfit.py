"""Only the biases learn."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class BitFit(Strategy):
    """The head and every bias of the encoder learn (Ben Zaken et al. 2022, arXiv 2106.10199)."""

    name = "bitfit"
    summary = "the head and the encoder's biases"
    paper = "arXiv 2106.10199"
    rate: float = 1e-3
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no biases")
        return (Phase(1.0, (("*.bias", self.rate), ("*", FROZEN)), head=self.head_rate),)
