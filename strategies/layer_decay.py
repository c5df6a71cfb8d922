"""Full fine-tuning with smaller rates for lower layers."""

from dataclasses import dataclass

from bench.contracts import Phase, Strategy


@dataclass(frozen=True)
class LayerDecay(Strategy):
    """Everything learns. A layer's rate is `decay` times that of the layer above it (discriminative rates:
    Howard and Ruder 2018, arXiv 1801.06146; for transformers: Clark et al. 2020, arXiv 2003.10555)."""

    name = "layer-decay"
    summary = "everything learns, lower layers more slowly"
    paper = "arXiv 2003.10555"
    rate: float = 1e-4
    decay: float = 0.8
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no layers")
        layers = tuple((f"layers.{i}.*", self.rate * self.decay ** (depth - 1 - i)) for i in range(depth))
        return (Phase(1.0, (*layers, ("*", self.rate * self.decay**depth)), head=self.head_rate),)
