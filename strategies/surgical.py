"""One block of the encoder learns, and it need not be the last."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class Surgical(Strategy):
    """The head and one block learn (Lee et al. 2023, arXiv 2210.11466).

    block: 0 is the embeddings, 1 the first layer, -1 the last. By default it is the block whose gradient is largest
    relative to its weights, on the first batches. The paper weights every layer's rate by that ratio; here the
    block with the largest one learns alone."""

    name = "surgical"
    summary = "the head and one block of the encoder, chosen by its gradients or by hand"
    paper = "arXiv 2210.11466"
    block: int | None = None
    rate: float = 1e-4
    head_rate: float = 1e-3

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have one block")
        if self.block is None:
            return (Phase(1.0, (("*", self.rate),), head=self.head_rate, select=1),)
        if not isinstance(self.block, int) or not -depth - 1 <= self.block <= depth:
            raise ValueError(f"block={self.block} must be between {-depth - 1} and {depth}")
        number = self.block % (depth + 1)
        name = f"layers.{number - 1}.*" if number else "embeddings.*"
        return (Phase(1.0, ((name, self.rate), ("*", FROZEN)), head=self.head_rate),)
