"""One layer at a time, then everything."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class ChainThaw(Strategy):
    """The head learns alone, then each block alone from the embeddings upwards, then everything (Felbo et al. 2017,
    arXiv 1708.00524). The paper trains each stage to convergence. Here all stages but the last share half of the
    budget."""

    name = "chain-thaw"
    summary = "the head, then each layer alone from the bottom, then everything"
    paper = "arXiv 1708.00524"
    rate: float = 1e-4
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no chain of layers")
        share = 0.5 / (depth + 2)
        blocks = ["embeddings.*", *(f"layers.{i}.*" for i in range(depth))]
        alone = [Phase(share, ((block, self.rate), ("*", FROZEN)), head=FROZEN) for block in blocks]
        first = Phase(share, (("*", FROZEN),), head=self.head_rate)
        return (first, *alone, Phase(0.5, (("*", self.rate),), head=self.head_rate))
