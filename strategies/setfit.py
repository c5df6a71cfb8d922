"""Pairs of texts first, then the best head on the vectors that they give."""

from dataclasses import dataclass

from bench.contracts import Phase, Strategy


@dataclass(frozen=True)
class SetFit(Strategy):
    """The encoder learns which texts share a label, from pairs; L-BFGS then solves for the head on frozen vectors
    (Tunstall et al. 2022, arXiv 2209.11055). For tasks with one label for each text.

    passes: steps on pairs, as a multiple of the recipe's steps."""

    name = "setfit"
    summary = "the encoder from pairs of texts, then a head solved for by L-BFGS: for few examples"
    paper = "arXiv 2209.11055"
    passes: float = 1.0
    rate: float = 1e-4

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no layers that learn from pairs")
        pairs = Phase(self.passes, (("*", self.rate),), objective="contrastive")
        return (pairs, Phase(1.0, solver="lbfgs"))
