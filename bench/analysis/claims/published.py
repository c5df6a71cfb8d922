"""Published claims: what papers say about transfer strategies, in a form that a run can confirm or contradict.

The claims are data (`claims.toml` beside this file, or a user's file); `verify` judges them. A claim holds under
conditions, which are data too: a run that does not meet them cannot test it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.contracts import BenchError

PATH = Path(__file__).parent / "claims.toml"


class Needs(BaseModel):
    """The conditions of a claim. A task of a run that misses one cannot test the claim.

    train, most_train: the least and the most training examples (0: any number).
    steps: the least optimizer steps of each strategy.
    seeds: the least finished seeds of each strategy.
    rates: the least learning rates that the loser tried on validation data (0: a fixed rate will do).
    converged: whether the loser must have converged: its lowest validation loss is not its last.
    layers: the largest share of the encoder's layers in which `first` learns.
    drop: the least loss of score, in [0, 1], that the shift to other domains must cause `second`.
    rows: the examples of the test set on which the score was published, no more and no fewer (0: any
        test set, whose examples are then a sample).
    domains: the other test sets on which the claim was made.
    growth: the least ratio of the largest to the smallest size, or number of epochs.
    unlabelled: in which texts `first` predicts masked words: the task's own, or a file of the domain.
    masked: the least optimizer steps on masked words that `first` declares before the task.
    lacks: what the claim needs and this harness does not have, in words; such a claim waits.

    The loser is the strategy that the measured value puts on the losing side of the bound. Between two bounds both
    count as losers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    train: int = Field(default=0, ge=0)
    most_train: int = Field(default=0, ge=0)
    steps: int = Field(default=0, ge=0)
    seeds: int = Field(default=2, ge=2)
    rates: int = Field(default=0, ge=0)
    converged: bool = False
    layers: float = Field(default=1.0, gt=0, le=1)
    drop: float = Field(default=0.0, ge=0, lt=1)
    rows: int = Field(default=0, ge=0)
    domains: tuple[str, ...] = ()
    growth: float = Field(default=1.0, ge=1)
    unlabelled: Literal["", "task", "domain"] = ""
    masked: int = Field(default=0, ge=0)
    lacks: str = ""


class Published(BaseModel):
    """The fields of every claim. name: unique; source: the paper and the place in it; says: the claim in words.

    above, below: the bounds between which the measured value must lie, both exclusive, for the claim to hold.
    tasks, backbones: restrict the claim to these. A claim about one task needs no other tasks."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str
    source: str
    says: str
    above: float | None = None
    below: float | None = None
    tasks: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()
    needs: Needs = Needs()

    @model_validator(mode="after")
    def _bounded(self) -> Published:
        if self.above is None and self.below is None and not getattr(self, "above_parameters", False):
            raise ValueError("a claim needs `above` or `below`")
        if self.above is not None and self.below is not None and self.above >= self.below:
            raise ValueError(f"`above` ({self.above:g}) must be less than `below` ({self.below:g})")
        return self


class Ratio(Published):
    """A claim whose value is a ratio, so that its bounds are positive."""

    @model_validator(mode="after")
    def _positive(self) -> Ratio:
        if any(bound is not None and bound <= 0 for bound in (self.above, self.below)):
            raise ValueError("the bounds of a ratio are above 0: 60% faster is a ratio of 1/1.6 = 0.625")
        return self


class ScoreClaim(Published):
    """The score of a strategy, in [0, 1]. metric: default the task's headline."""

    kind: Literal["score"]
    strategy: str
    metric: str = ""


class DifferenceClaim(Published):
    """The score of `first` minus `share` times that of `second`.

    first_backbone, second_backbone: where they differ. on: the test set, or the mean over other domains."""

    kind: Literal["difference"]
    first: str
    second: str
    share: float = 1.0
    first_backbone: str = ""
    second_backbone: str = ""
    on: Literal["test", "elsewhere"] = "test"
    metric: str = ""


class GrowthClaim(Published):
    """The growth of `first` minus `second` from the least to the most training: by training examples within a run,
    or by epochs between runs."""

    kind: Literal["growth"]
    first: str
    second: str
    by: Literal["examples", "epochs"] = "examples"
    metric: str = ""


class CostClaim(Ratio):
    """The training time of `first` over that of `second`.

    above_parameters: the lower bound is the ratio of their trainable parameters."""

    kind: Literal["cost"]
    first: str
    second: str
    above_parameters: bool = False


class ForgettingClaim(Ratio):
    """The perplexity of the checkpoint's own language-modelling head on neutral text after training with `first`
    over that after training with `second`."""

    kind: Literal["forgetting"]
    first: str
    second: str


class RateClaim(Ratio):
    """The best learning rate of `first` over that of `second`, each chosen on validation data from a grid."""

    kind: Literal["rate"]
    first: str
    second: str


class SpreadClaim(Ratio):
    """The standard deviation over seeds after long training over that after short training, between runs.

    long: the least epochs of the first, whose warm-up is at least `warmup`; short: the most of the second."""

    kind: Literal["spread"]
    strategy: str
    long: float
    short: float
    warmup: float = 0.0
    metric: str = ""


class CorrectionClaim(Ratio):
    """The standard deviation over seeds without AdamW's bias correction over that with it, between runs that differ
    in nothing else, at one learning rate."""

    kind: Literal["bias-correction"]
    strategy: str
    metric: str = ""


class BestClaim(Published):
    """The expected best score of `runs` seeds minus the mean over seeds."""

    kind: Literal["best"]
    strategy: str
    runs: int = Field(ge=2)
    metric: str = ""


Claim = Annotated[
    ScoreClaim
    | DifferenceClaim
    | GrowthClaim
    | CostClaim
    | ForgettingClaim
    | RateClaim
    | SpreadClaim
    | CorrectionClaim
    | BestClaim,
    Field(discriminator="kind"),
]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    claim: tuple[Claim, ...]


def read(path: Path = PATH) -> tuple[Claim, ...]:
    """The claims of a file; BenchError names the claim and the key that is wrong."""
    try:
        claims = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).claim
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BenchError(
            f"claims {path}: {where}: {first['msg'].removeprefix('Value error, ')}", code="invalid-claim"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BenchError(f"claims {path} cannot be read: {error}", code="cannot-read") from error
    names = [claim.name for claim in claims]
    if twins := {name for name in names if names.count(name) > 1}:
        raise BenchError(
            f"claims {path}: two claims are named '{min(twins)}'; rename one", code="duplicate-claim"
        )
    return claims
