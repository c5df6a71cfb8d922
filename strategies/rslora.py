"""Low-rank updates with a scale that suits any rank."""

from dataclasses import dataclass
from typing import ClassVar

from strategies.peft_method import Peft


@dataclass(frozen=True)
class RsLoRA(Peft):
    """LoRA whose update is scaled by alpha over the square root of the rank, so that larger ranks learn as fast
    (Kalajdzievski 2023, arXiv 2312.03732)."""

    name = "rslora"
    summary = "the head and low-rank updates, scaled for any rank"
    paper = "arXiv 2312.03732"
    preset: ClassVar = {"r": 8, "lora_alpha": 16, "use_rslora": True}
