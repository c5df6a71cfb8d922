"""Gradual unfreezing from the top, with discriminative learning rates."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class Gradual(Strategy):
    """The head learns first, then more and more layers from the top (ULMFiT, Howard and Ruder 2018, arXiv
    1801.06146).

    All stages but the last share half of the budget. A layer's rate is `decay` times that of the layer above
    it. ULMFiT's factor of 1/2.6 was meant for three LSTM layers; a transformer has more layers. With
    `patience`, a stage ends early after that many validation passes without a lower loss.
    """

    name = "gradual"
    summary = "gradual unfreezing from the top with discriminative rates"
    paper = "arXiv 1801.06146"
    stages: int = 4
    rate: float = 1e-4
    decay: float = 0.85
    head_rate: float = 1e-3
    patience: int = 0

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if not 2 <= self.stages <= depth + 1:
            raise ValueError(f"stages={self.stages} must be between 2 and {depth + 1}")
        layers = [(f"layers.{i}.*", self.rate * self.decay ** (depth - 1 - i)) for i in range(depth)]
        early = 0.5 / (self.stages - 1)
        unfrozen = [round(depth * stage / (self.stages - 1)) for stage in range(self.stages - 1)]
        phases = [
            Phase(early, (*layers[depth - n :], ("*", FROZEN)), self.head_rate, self.patience)
            for n in unfrozen
        ]
        everything = (*layers, ("*", self.rate * self.decay**depth))
        return (*phases, Phase(0.5, everything, head=self.head_rate))
