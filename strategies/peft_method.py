"""Any method of the PEFT library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.contracts import FROZEN, Insertable, Phase, Strategy


@dataclass(frozen=True)
class Peft(Strategy):
    """The head and the parameters that a configuration of the PEFT library inserts learn (Mangrulkar et al.
    2022; the default is LoRA, arXiv 2106.09685). All options that are no field below are arguments of that
    configuration:

        [strategies.my-lora]
        peft = "LoraConfig"
        r = 16
        use_dora = true

    targets: `all-linear`, `attention`, or a regular expression that matches the paths of linear maps in a layer.
    """

    name = "peft"
    summary = "the head and what a configuration of the PEFT library inserts"
    paper = "arXiv 2106.09685"
    rest = "settings"
    preset: ClassVar[Mapping[str, Any]] = {}  # arguments that a ready-made method sets
    peft: str = "LoraConfig"
    targets: str = "all-linear"
    rate: float = 5e-4
    head_rate: float = 1e-3
    settings: tuple[tuple[str, Any], ...] = ()

    def adapt(self, encoder: Insertable) -> None:
        encoder.insert_peft(self.peft, self.targets, {**self.preset, **dict(self.settings)})

    def phases(self, depth: int) -> tuple[Phase, ...]:
        from bench.models.peft_modules import prefix  # loads the library only where it is used

        if depth == 0:
            raise ValueError("static word vectors have no layers")
        learning = (f"layers.*{prefix(self.peft)}*", self.rate)
        return (Phase(1.0, (learning, ("*", FROZEN)), head=self.head_rate),)
