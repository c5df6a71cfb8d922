"""Linear probing, then fine-tuning."""

from dataclasses import dataclass

from bench.contracts import FROZEN, Phase, Strategy


@dataclass(frozen=True)
class LinearProbeFineTune(Strategy):
    """The head learns first, so that it is good before the features move (Kumar et al. 2022, arXiv 2202.10054)."""

    name = "lp-ft"
    summary = "the head first, then everything"
    paper = "arXiv 2202.10054"
    probe_share: float = 0.5
    rate: float = 1e-4
    probe_rate: float = 1e-2

    def phases(self, depth: int) -> tuple[Phase, ...]:
        probe = Phase(self.probe_share, (("*", FROZEN),), head=self.probe_rate)
        return (probe, Phase(1 - self.probe_share, (("*", self.rate),), head=self.rate))
