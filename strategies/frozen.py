"""A head on frozen features: the cheapest transfer, and the one to beat."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class Frozen(Strategy):
    """Only the head learns (Peters et al. 2019, arXiv 1903.05987, "feature extraction")."""

    name = "frozen"
    summary = "a head on frozen features: of a frozen encoder, or static word vectors"
    paper = "arXiv 1903.05987"
    head_rate: float = 1e-2

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, (("*", FROZEN),), head=self.head_rate),)
