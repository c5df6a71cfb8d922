"""Published claims: what papers say about transfer strategies, in a form that a run can confirm or contradict.

The claims are data (`claims.toml` beside this file, or a user's file); `verify` judges them.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.contracts import BenchError

PATH = Path(__file__).parent / "claims.toml"


class Published(BaseModel):
    """The fields of every claim. name: unique; source: the paper and the place in it; says: the claim in words.

    above, below: the bounds between which the measured value must lie, both exclusive, for the claim to hold.
    tasks, backbones: restrict the claim to these."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    source: str
    says: str
    above: float | None = None
    below: float | None = None
    tasks: tuple[str, ...] = ()
    backbones: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _bounded(self) -> Published:
        if self.above is None and self.below is None and not getattr(self, "above_parameters", False):
            raise ValueError("a claim needs `above` or `below`")
        return self


class ScoreClaim(Published):
    """The score of a strategy, in [0, 1], on average over tasks. metric: default the task's headline."""

    kind: Literal["score"]
    strategy: str
    metric: str = ""


class DifferenceClaim(Published):
    """The score of `first` minus `share` times that of `second`, on average over tasks.

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
    """The growth of `first` minus `second` from the smallest to the largest number of training examples."""

    kind: Literal["growth"]
    first: str
    second: str
    metric: str = ""


class CostClaim(Published):
    """The training time of `first` over that of `second`, as a geometric mean over tasks.

    above_parameters: the lower bound is the ratio of their trainable parameters."""

    kind: Literal["cost"]
    first: str
    second: str
    above_parameters: bool = False


Claim = Annotated[ScoreClaim | DifferenceClaim | GrowthClaim | CostClaim, Field(discriminator="kind")]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    claim: tuple[Claim, ...]


def read(path: Path = PATH) -> tuple[ScoreClaim | DifferenceClaim | GrowthClaim | CostClaim, ...]:
    """The claims of a file; BenchError names the claim and the key that is wrong."""
    try:
        claims = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).claim
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BenchError(f"claims {path} cannot be read: {error}", code="cannot-read") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BenchError(
            f"claims {path}: {where}: {first['msg'].removeprefix('Value error, ')}", code="invalid-claim"
        ) from error
    names = [claim.name for claim in claims]
    if twins := {name for name in names if names.count(name) > 1}:
        raise BenchError(
            f"claims {path}: two claims are named '{min(twins)}'; rename one", code="duplicate-claim"
        )
    return claims
