"""Low-rank updates of weights that are kept in four bits."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Insertable, Phase, Strategy


@dataclass(frozen=True)
class QLoRA(Strategy):
    """The head and a low-rank update of every linear map learn, while the maps themselves are held in four bits
    (Dettmers et al. 2023, arXiv 2305.14314).

    It saves memory, not time: every product unpacks its weights first. It needs CUDA and the library bitsandbytes.
    """

    name = "qlora"
    summary = "the head and low-rank updates of every linear map, with the maps in 4 bits (CUDA)"
    paper = "arXiv 2305.14314"
    needs = "cuda"
    rank: int = 8
    alpha: int = 16
    rate: float = 5e-4
    head_rate: float = 1e-3

    def adapt(self, encoder: Insertable) -> None:
        encoder.quantise()
        encoder.insert_lora(self.rank, self.alpha)

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no linear maps")
        return (Phase(1.0, (("layers.*.lora_*", self.rate), ("*", FROZEN)), head=self.head_rate),)
