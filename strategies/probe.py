"""The best head that frozen features allow."""

from dataclasses import dataclass

from bench.contracts import Phase, Strategy


@dataclass(frozen=True)
class Probe(Strategy):
    """L-BFGS solves for the head: logistic regression on frozen features (Alain and Bengio 2016, arXiv 1610.01644;
    Kornblith et al. 2019, arXiv 1805.08974). The recipe's epochs do not limit it."""

    name = "probe"
    summary = "a head on frozen features, solved for by L-BFGS"
    paper = "arXiv 1610.01644"

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return (Phase(1.0, solver="lbfgs"),)
