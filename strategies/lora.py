"""Low-rank updates of frozen weights."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Insertable, Phase, Strategy


@dataclass(frozen=True)
class LoRA(Strategy):
    """The head and a low-rank update of every linear map learn (Hu et al. 2022, arXiv 2106.09685).

    The paper updates queries and values. Matching full fine-tuning takes all linear maps (Dettmers et al.
    2023, arXiv 2305.14314, section 4).
    """

    name = "lora"
    summary = "the head and low-rank updates of every linear map (peft)"
    paper = "arXiv 2106.09685"
    rank: int = 8
    alpha: int = 16
    rate: float = 5e-4
    head_rate: float = 1e-3

    def adapt(self, encoder: Insertable) -> None:
        encoder.insert_lora(self.rank, self.alpha)

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no linear maps")
        return (Phase(1.0, (("layers.*.lora_*", self.rate), ("*", FROZEN)), head=self.head_rate),)
