"""The head and the last few layers."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class TopLayers(Strategy):
    """The head and the last `layers` encoder layers learn (Lee et al. 2019, arXiv 1911.03090)."""

    name = "top-layers"
    summary = "the head and the last k layers"
    paper = "arXiv 1911.03090"
    layers: int = 2
    rate: float = 1e-4
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if not 1 <= self.layers <= depth:
            raise ValueError(f"layers={self.layers} must be between 1 and {depth}")
        top = tuple((f"layers.{i}.*", self.rate) for i in range(depth - self.layers, depth))
        return (Phase(1.0, (*top, ("*", FROZEN)), head=self.head_rate),)
