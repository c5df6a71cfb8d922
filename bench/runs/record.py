"""Record: one executed cell, as it is stored. Its JSON form is versioned; old versions are migrated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from bench.contracts import BenchError, Cell, Metric
from bench.runs.curve import Point
from bench.runs.names import check_cell

SCHEMA_VERSION = 4
"""Raised when a field is added, removed or renamed; MIGRATIONS upgrades older records."""

MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda value: value,  # newer fields have defaults
    2: lambda value: value,
    3: lambda value: value,
}
"""From the version that is the key to the next."""

Status = Literal["done", "failed", "oom", "diverged", "timeout", "killed", "skipped"]


def _whole_characters(value: Any) -> Any:
    """Text without lone surrogates, which no file and no terminal can show."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _possible(curve: tuple[Point, ...]) -> tuple[Point, ...]:
    for point in curve:
        counted = 0 <= point.step <= LONG and 0 <= point.epoch <= LONG and 0 <= point.phase <= LONG
        measured = (
            0 <= point.seconds <= LONG and -LOSS <= point.loss <= LOSS and -LOSS <= point.train_loss <= LOSS
        )
        if not counted or not measured:
            raise ValueError(f"step {point.step} has a value that cannot be")
    return curve


LONG = 1e9
"""More seconds than a cell can take (thirty years), and more steps."""
LOSS = 3.5e38
"""No float32 is larger."""

Duration = Annotated[float, Field(ge=0, le=LONG)]
Share = Annotated[float, Field(ge=0, le=1)]
Score = Annotated[float, Field(ge=-1 - 1e-9, le=LOSS)]
"""In [0, 1], but for rounding; a correlation in [-1, 1]; an error in the units of the labels (`Record` checks
it)."""
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
LIMITS: dict[str, tuple[float, float]] = {
    "error": (0.0, LOSS),
    **dict.fromkeys(("pearson", "spearman", "mcc"), (-1.0, 1.0)),
}
"""What a score may be, by the kind of its metric; [0, 1] elsewhere."""
Text = Annotated[str, BeforeValidator(_whole_characters)]


class Frozen(BaseModel):
    """A value read from a file: unknown keys are errors, numbers are finite, fields cannot be assigned."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Seconds(Frozen):
    """Wall-clock seconds on `perf_counter`, with a device sync at the edges only.

    prepare: read rows from the local cache, tokenise, load the encoder (downloads are not counted).
    prefix: run frozen blocks once over every split. compile: graphs or kernels. train: the steps.
    evaluate: validation passes and the test sets. cold: the sum: this cell alone, from cold, whatever
    was shared with other cells. tune: training and validation of the learning-rate scales that were
    tried and rejected; not in cold.
    """

    prepare: Duration = 0.0
    prefix: Duration = 0.0
    compile: Duration = 0.0
    train: Duration = 0.0
    evaluate: Duration = 0.0
    cold: Duration = 0.0
    tune: Duration = 0.0


class Trial(Frozen):
    """A learning-rate scale that was tried: its lowest validation loss (None: it diverged), whether it is the
    one that the record is about, and the headline score on the validation rows at that loss."""

    scale: float
    loss: float | None
    kept: bool
    score: Score | None = None


class Load(Frozen):
    """What else the machine was doing. start, end: runnable processes a core over the last minute, this run's own
    included, when the cell started and ended. others: share of the cores that other processes kept busy meanwhile;
    None where the system does not say, or the cell was too short to tell."""

    start: Duration
    end: Duration
    others: Share | None = None


class Machine(Frozen):
    """Where a cell ran.

    rate: operations a second of a large matrix product, measured once; 0: not measured. warm_up: seconds that its
    process spent on first uses just before this cell, in no cell's seconds. load: what else ran there.
    seeds_at_once: seeds of the cell that trained on the device together; where there are several, the seconds of
    training and the peak memory are those of an earlier seed, which trained alone."""

    device: str  # "cpu" or the GPU's name
    dtype: str
    threads: Count
    processor: str
    system: str
    versions: dict[str, str] = Field(default_factory=dict)
    commit: str = ""
    dirty: bool = False
    rate: Annotated[float, Field(ge=0, le=1e20)] = 0.0
    warm_up: Duration = 0.0
    load: Load | None = None
    seeds_at_once: Count = 1


class Data(Frozen):
    """What a cell was trained and scored on."""

    fingerprint: str  # of all rows used, in order
    task_version: Count
    sizes: dict[str, Count] = Field(default_factory=dict)  # examples a split
    labels: tuple[str, ...] = ()
    truncated: Share = 0.0  # share of training sequences cut at max_length
    padding: Share = 0.0  # share of the tokens of training batches that are padding
    majority: dict[str, Score] = Field(default_factory=dict)  # scores of always predicting the majority label


Rate = Annotated[float, Field(ge=0, le=1e12)]
Nats = Annotated[float, Field(ge=0, le=1e6)]


class Served(Frozen):
    """A model in use. p50, p95: seconds of an example at batch 1. single, best: examples a second at batch 1 and at
    `batch`, the size with the highest rate."""

    p50: Duration
    p95: Duration
    single: Rate
    batch: Count
    best: Rate


class Serving(Frozen):
    """What a trained model costs to use. merged: with inserted updates folded into the weights, None where there
    are none. head: seconds of the head alone, where tasks share the encoder's pass; None where the strategy changes
    the encoder."""

    plain: Served
    merged: Served | None = None
    head: Duration | None = None


class LanguageLoss(Frozen):
    """The loss of the language-modelling head that the checkpoint was pretrained with, in nats a token of neutral
    text. before: on the given encoder. after: on the trained one. reason: why there is none, as `short: more`."""

    kind: Literal["masked", "causal", ""] = ""
    before: Nats | None = None
    after: Nats | None = None
    reason: Text = ""

    @property
    def rise(self) -> float | None:
        """What training added to the loss."""
        return None if self.before is None or self.after is None else self.after - self.before


class Record(Frozen):
    """One executed cell. `scores` is by test set, then by metric: in [0, 1], a correlation in [-1, 1], an error in
    the units of the labels."""

    schema_version: int = SCHEMA_VERSION
    cell: Cell
    fingerprint: str
    status: Status
    reason: Text = ""
    adapter: str = ""
    headline: str = ""
    scorer: str = ""  # the rule behind the scores, where there has been another one: Task.scorer
    metrics: tuple[Metric, ...] = ()
    scores: dict[str, dict[str, Score]] = Field(default_factory=dict)
    curve: Annotated[tuple[Point, ...], AfterValidator(_possible)] = ()
    trials: tuple[Trial, ...] = ()  # of recipe.tune
    seconds: Seconds = Seconds()
    peak_memory: Count = 0  # bytes: of the device on a GPU, resident memory of the process on a CPU
    trainable: Count = 0  # parameters that learn in any phase, the head included
    parameters: Count = 0
    weights: str = ""  # of the backbone: the start of their digest, or of the hub's commit; '' where unknown
    attention: str = ""  # the implementation that ran; '' in word vectors, which have none
    chosen: dict[str, float] = Field(
        default_factory=dict
    )  # on the validation rows: thresholds, a temperature, a mixing weight
    flops: Annotated[float, Field(ge=0, le=1e30)] = (
        0.0  # floating-point operations of matrix products, by formula
    )
    utilisation: Annotated[float, Field(ge=0, le=1e3)] = (
        0.0  # flops a second over the machine's measured matrix-product rate
    )
    adaptations: tuple[Text, ...] = ()  # what was changed on the way: "micro-batch 16", "float32"
    data: Data | None = None
    machine: Machine | None = None
    serving: Serving | None = None  # measured where recipe.serving asks for it; its time is in no other field
    forgetting: tuple[
        Share, ...
    ] = ()  # CKA of each block with the given encoder, where recipe.forgetting asks
    language_loss: LanguageLoss | None = None  # of the checkpoint's own head, where recipe.forgetting asks
    started: str = ""  # ISO 8601, UTC

    @model_validator(mode="after")
    def _possible_scores(self) -> Record:
        kinds = {metric.name: metric.kind for metric in self.metrics}
        if len(kinds) < len(self.metrics):
            raise ValueError("two of its metrics have one name")
        everywhere = [*self.scores.values(), self.data.majority if self.data else {}]
        found = [(name, score) for scores in everywhere for name, score in scores.items()]
        on_the_way = [point.score for point in self.curve]
        on_the_way += [trial.score for trial in self.trials if trial.score is not None]
        found += [(self.headline, score) for score in on_the_way]
        for name, score in found:
            kind = kinds.get(name, "")
            low, high = LIMITS.get(kind, (0.0 if kind or name != self.headline else -1.0, 1.0))
            if not low - 1e-9 <= score <= high + 1e-9:
                raise ValueError(f"{name} is {score}, which is not within {low:g} and {high:g}")
        return self

    def to_json(self) -> str:
        return self.model_dump_json(indent=1)


def read_record(text: str, where: str) -> Record:
    """The record in `text`; BenchError naming `where` if it is damaged or from a newer version."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(where) from error
    return record_of(value, where)


def record_of(value: Any, where: str) -> Record:
    """The record in a JSON value. BenchError naming `where` if it is damaged, from a newer version, holds a value
    that cannot be, or a name that could lead out of its folder."""
    try:
        version = int(value["schema_version"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(where) from error
    if version > SCHEMA_VERSION:
        raise BenchError(
            f"{where} has schema {version}; this version reads up to {SCHEMA_VERSION}: upgrade",
            code="newer-schema",
        )
    for older in range(max(version, 0), SCHEMA_VERSION):
        if older not in MIGRATIONS:
            raise BenchError(
                f"{where} has schema {version}, which this version cannot read: run the suite again",
                code="older-schema",
            )
        value = {**MIGRATIONS[older](value), "schema_version": older + 1}
    try:
        record = Record.model_validate(value)
    except (ValidationError, BenchError) as error:
        raise BenchError(
            f"{where} is not a valid record ({_detail(error)}): delete it and run the suite again",
            code="invalid-record",
        ) from error
    check_cell(record.cell, where)
    return record


def _damaged(where: str) -> BenchError:
    return BenchError(
        f"{where} is not a record (damaged file?): delete it and run the suite again", code="not-a-record"
    )


def _detail(error: ValidationError | BenchError) -> str:
    """The first thing that is wrong: the field, and why."""
    if isinstance(error, BenchError):
        return str(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
