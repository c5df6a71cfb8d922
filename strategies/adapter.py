"""Bottleneck adapters between frozen sublayers."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Insertable, Phase, Strategy


@dataclass(frozen=True)
class Adapter(Strategy):
    """Two bottleneck adapters per layer, the layers' norms and the head learn (Houlsby et al. 2019, arXiv
    1902.00751)."""

    name = "adapter"
    summary = "the head, two bottleneck adapters per layer, and the layers' norms"
    paper = "arXiv 1902.00751"
    width: int = 64
    rate: float = 5e-4
    head_rate: float = 1e-3

    def adapt(self, encoder: Insertable) -> None:
        encoder.insert_adapters(self.width)

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no layers")
        learning = (
            ("layers.*.adapter.*", self.rate),
            ("layers.*[Nn]orm.*", self.rate),
            ("layers.*.ln_*", self.rate),
        )
        return (Phase(1.0, (*learning, ("*", FROZEN)), head=self.head_rate),)
