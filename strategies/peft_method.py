"""Any method of the PEFT library."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.contracts import FROZEN, Insertable, Phase, Strategy

PREFIXES = {
    "AdamssConfig": "adamss_",
    "BOFTConfig": "boft_",
    "BeftConfig": "beft_",
    "C3AConfig": "c3a_",
    "DeftConfig": "deft_",
    "DeloraConfig": "delora_",
    "FourierFTConfig": "fourierft_",
    "FrodConfig": "frod_",
    "GloraConfig": "glora_",
    "GraloraConfig": "gralora_",
    "HRAConfig": "hra_",
    "HiraConfig": "hira_",
    "IA3Config": "ia3_",
    "LNTuningConfig": "ln_tuning_",
    "LilyConfig": "lily_",
    "LoHaConfig": "hada_",
    "LoKrConfig": "lokr_",
    "LoraConfig": "lora_",
    "MissConfig": "miss_",
    "OFTConfig": "oft_",
    "OSFConfig": "osf_",
    "PeanutConfig": "peanut_",
    "PsoftConfig": "psoft_",
    "PveraConfig": "pvera_lambda_",
    "RandLoraConfig": "randlora_",
    "RoadConfig": "road_",
    "ShiraConfig": "shira_",
    "SupertuningConfig": "supertuning_",
    "TinyLoraConfig": "tinylora_",
    "TrainableTokensConfig": "trainable_tokens_",
    "UniLoraConfig": "unilora_",
    "VBLoRAConfig": "vblora_",
    "VeraConfig": "vera_lambda_",
    "WaveFTConfig": "waveft_",
}
"""What the names of the parameters that a method inserts begin with. Not here: methods on prompts instead of
layers, and those that are more than what they insert (bench/models/peft_modules.py)."""


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
        settings = {**self.preset, **dict(self.settings)}
        encoder.insert_peft(self.peft, self.targets, settings)

    def phases(self, depth: int) -> tuple[Phase, ...]:
        if depth == 0:
            raise ValueError("static word vectors have no layers")
        if self.peft not in PREFIXES:
            raise ValueError(f"peft={self.peft!r} must be one of {', '.join(PREFIXES)}")
        learning = (f"layers.*{PREFIXES[self.peft]}*", self.rate)
        return (Phase(1.0, (learning, ("*", FROZEN)), head=self.head_rate),)
