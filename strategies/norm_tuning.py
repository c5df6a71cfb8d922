"""Only norms and biases learn."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class NormTuning(Strategy):
    """The head and the encoder's norms learn, and with `biases` its biases (for transformers: Zhao et al. 2023,
    arXiv 2312.11420; Frankle et al. 2020, arXiv 2003.00152)."""

    name = "norm-tuning"
    summary = "the head and the encoder's norms and biases"
    paper = "arXiv 2312.11420"
    biases: bool = True
    rate: float = 1e-3
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no norms")
        names = ["*[Nn]orm*", "*.ln_*", *(["*.bias"] if self.biases else [])]
        return (Phase(1.0, (*((name, self.rate) for name in names), ("*", FROZEN)), head=self.head_rate),)
