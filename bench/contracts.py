"""The contract between the engine and its plug-ins: the one file that an author reads.

A strategy declares *what learns, when and how fast* and never touches a tensor. A task says where
its rows come from, how they become token ids, and how logits become scores. Nothing here imports
torch, so that `list` and `--help` start at once.
"""

from __future__ import annotations

import copyreg
import dataclasses
import hashlib
import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, get_args

if TYPE_CHECKING:
    import numpy as np

    from bench.data.encoding import Encoded
    from bench.data.sources import Sources

LARGEST = 1e7
"""No number that is asked for is larger: neither steps nor memory would fit any machine."""

FROZEN = 0.0
"""The learning rate of a parameter that does not learn."""

OBJECTIVES = ("task", "masked-lm", "contrastive")

LONGEST = 1000
"""The largest share of a phase that does not train for the task."""

AVERAGES = ("none", "swa", "wise-ft")


class BenchError(ValueError):
    """A request that cannot be carried out. The message is one line that says what is wrong and how to correct it.

    code: a short, stable name of the reason, such as `unknown-strategy`. Programs and tests read the code, people
    read the message. The harness always sets it; a plug-in may leave it out."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message and the attributes, since subclasses have constructors of their own."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # pyright: ignore[reportAttributeAccessIssue]


def later(default: Any) -> Any:
    """A field that was added after results had been published: at its default it enters no digest, so that
    the fingerprints of existing cells stay as they are."""
    return field(default=default, metadata={"later": True})


def set_values(item: Any) -> dict[str, Any]:
    """The fields of a dataclass as values, without those that are `later` and at their default."""
    unset = {
        f.name
        for f in dataclasses.fields(item)
        if "later" in f.metadata and getattr(item, f.name) == f.default
    }
    return {name: value for name, value in dataclasses.asdict(item).items() if name not in unset}


# --------------------------------------------------------------------------------------------------
# Strategies


@dataclass(frozen=True)
class Phase:
    """A stretch of training with constant trainability.

    share: fraction of the recipe's training budget, in (0, 1]; a strategy's shares sum to one.
    rates: ordered (parameter pattern, learning rate or FROZEN) of the encoder's parameters; the first
        match wins, and every parameter must be matched. Parameters are named `embeddings.*` and
        `layers.<i>.*` (0 is nearest the input) for every encoder; patterns are shell-style.
    head: learning rate of the head, `head.*`. A head starts from random weights, so it wants a larger
        rate than the encoder.
    patience: end the phase early after so many validation passes without a lower loss; 0: at its last step.
    solver: `adamw`, or `lbfgs`, which solves for the head alone, to convergence or 100 iterations, on frozen
        features: the only phase of its strategy that trains for the task, without regard to share and rate.
    objective: what is minimised. `task`: the task's loss. `masked-lm`: masked words are predicted, without a label,
        in the training texts or in the text file that `recipe.unlabelled` names. `contrastive`: pooled vectors of
        texts with one label become similar, those of texts with different labels dissimilar. The last two train
        the encoder alone, before every phase for the task, and their share is beside the task's: 1 is as many
        steps as the task gets.
    select: of the blocks that learn by `rates`, only this many do: those whose gradient is largest relative to
        their weights, measured once before training; 0: all.
    freeze: blocks freeze from below while the phase runs (AutoFreeze: Liu et al. 2021, arXiv 2102.01386). At every
        validation pass from the second one on, the lowest layers freeze whose gradient has changed less, since the
        pass before, than this percentile of the layers that still learn; embeddings freeze with the first layer.
        0: none.
    """

    share: float
    rates: tuple[tuple[str, float], ...] = (("*", FROZEN),)
    head: float = 1e-3
    patience: int = 0
    solver: Literal["adamw", "lbfgs"] = "adamw"
    objective: Literal["task", "masked-lm", "contrastive"] = "task"
    select: int = 0
    freeze: float = later(0.0)

    def rate(self, name: str) -> float:
        """The learning rate of parameter `name`; ValueError where no pattern matches it."""
        if name.startswith("head."):
            return self.head
        for pattern, rate in self.rates:
            if fnmatchcase(name, pattern):
                return rate
        raise ValueError(f"no pattern covers parameter '{name}' (patterns: {[p for p, _ in self.rates]})")

    def wrong(self, alone: bool) -> str:
        """What is wrong with its values, '' where nothing is. alone: no other phase trains for the task."""
        if self.objective not in OBJECTIVES:
            return f"objective {_shown(self.objective)} is none of {', '.join(OBJECTIVES)}"
        most = 1 if self.objective == "task" else LONGEST
        if not _is_number(self.share) or not 0 < self.share <= most:
            return f"share {_shown(self.share)} is not a number in (0, {most}]"
        pairs = self.rates if isinstance(self.rates, (tuple, list)) else ()
        pairs = [pair for pair in pairs if isinstance(pair, (tuple, list)) and len(pair) == 2]
        if not pairs or len(pairs) < len(self.rates) or not all(isinstance(name, str) for name, _ in pairs):
            return f"rates {_shown(self.rates)} are not (pattern, learning rate) pairs"
        for rate in (self.head, *(rate for _, rate in pairs)):
            if not _is_number(rate) or not math.isfinite(rate) or rate < 0:
                return f"a learning rate must be a finite number >= 0, and {_shown(rate)} is not"
        if type(self.patience) is not int or self.patience < 0:
            return f"patience {_shown(self.patience)} is not a whole number >= 0"
        if self.solver not in ("adamw", "lbfgs"):
            return f"solver {_shown(self.solver)} is neither 'adamw' nor 'lbfgs'"
        if self.solver == "lbfgs" and (not alone or any(rate for _, rate in pairs)):
            return "L-BFGS solves for the head alone, in the only phase"
        if self.solver == "lbfgs" and self.patience:
            return "L-BFGS takes no patience"
        if named := next((name for name, _ in pairs if name.startswith("head.")), ""):
            return f"the pattern {_shown(named)} is of the head, whose rate is `head`: leave it out of rates"
        if odd := next((name for name, _ in pairs if not _may_match(name)), ""):
            return f"the pattern {_shown(odd)} matches no name of a parameter (embeddings.*, layers.0.* and so on)"
        if type(self.select) is not int or self.select < 0:
            return f"select {_shown(self.select)} is not a whole number >= 0"
        if not _is_number(self.freeze) or not 0 <= self.freeze <= 100:
            return f"freeze {_shown(self.freeze)} is not a percentile in [0, 100]"
        if (self.freeze or self.select) and not any(rate for _, rate in pairs):
            which = "freeze" if self.freeze else "select"
            return f"{which} needs an encoder that learns, and here the head alone does"
        of_task = self.solver != "adamw" or self.patience or self.select or self.freeze
        if self.objective != "task" and of_task:
            return f"the objective {self.objective} takes neither a solver nor patience, select or freeze"
        if self.objective != "task" and not any(rate for _, rate in pairs):
            return f"the objective {self.objective} trains the encoder alone, and no rate lets it learn"
        return ""


def _may_match(pattern: str) -> bool:
    """Whether a pattern of parameters can match a name below `embeddings.` or `layers.<i>.`."""
    plain = re.split(r"[*?[]", pattern, maxsplit=1)[0]
    if plain == pattern:
        return bool(re.fullmatch(r"(embeddings|layers\.\d+)\..+", pattern))
    return any(root.startswith(plain) for root in ("embeddings.", "layers.")) or bool(
        re.match(r"embeddings\.|layers\.\d+(\.|$)", plain)
    )


def _is_number(value: Any) -> bool:
    """Whether it is a number that is written as one, and no integer beyond all floats."""
    return isinstance(value, float) or (type(value) is int and abs(value) < LARGEST)


def _shown(value: Any) -> str:
    """A value in an error message; some integers are too long to be printed."""
    return "over 1e300" if type(value) is int and abs(value) > 1e300 else f"{value!r:.60}"


def said(error: BaseException, name: bool = True) -> str:
    """What an exception says, after its name; its own methods are the plug-in's, and may fail."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}" if name else str(error)
    except Exception:
        return kind


def block_of(name: str) -> int:
    """The block of a parameter, by its name: 0 for the embeddings, i + 1 for `layers.<i>`."""
    match = re.match(r"layers\.(\d+)\.", name)
    return int(match[1]) + 1 if match else 0


def frozen_blocks(phase: Phase, names: Iterable[str], depth: int) -> int:
    """How many leading blocks of an encoder of `depth` layers hold none of the parameters `names` that learn in the
    phase: from 0 (the embeddings learn) to depth + 1 (nothing but the head does)."""
    encoder = (name for name in names if not name.startswith("head."))
    return min((block_of(name) for name in encoder if phase.rate(name)), default=depth + 1)


class Insertable(Protocol):
    """An encoder, as a strategy sees it: what can be inserted into all of its layers. Inserted modules start as
    the identity; their initial values depend on the seed."""

    def insert_lora(self, rank: int, alpha: int) -> None:
        """A low-rank update of every linear map; parameters `layers.<i>.*.lora_A.*` and `.lora_B.*`."""

    def insert_adapters(self, width: int) -> None:
        """A bottleneck adapter after both sublayers of a layer; parameters `layers.<i>.*.adapter.*`."""

    def insert_peft(self, method: str, targets: str, settings: Mapping[str, Any]) -> None:
        """What a configuration of the PEFT library describes: `method` is its class (`LoraConfig`), `settings` its
        arguments. targets: the linear maps that are changed (see `Targets` in bench/models/peft_modules.py).
        Parameters `layers.<i>.*.<prefix>*`, with the method's prefix in that library. BenchError where the
        library refuses."""

    def quantise(self) -> None:
        """Hold the weights of every linear map in four bits; they no longer learn. BenchError where that needs a
        GPU or a library that is not there."""


@dataclass(frozen=True)
class Strategy(ABC):
    """A way to transfer a pretrained encoder to a task; its dataclass fields are its options.

    Every strategy has these:
    reinit: layers of the encoder, from the top, that start from random weights (Zhang et al. 2021, arXiv
        2006.05987).
    anchor: what each step adds to the gradient of the encoder is so many times its distance from the given weights
        (L2-SP: Li et al. 2018, arXiv 1802.01483).
    average: `swa`: the mean of the states at all validation passes of the last phase (Izmailov et al. 2018, arXiv
        1803.05407); `wise-ft`: the mixture of given and trained weights with the lowest validation loss (Wortsman
        et al. 2022, arXiv 2109.01903). `none`: the state with the lowest validation loss.
    """

    name: ClassVar[str]
    summary: ClassVar[str]  # one sentence for `list`
    paper: ClassVar[str] = ""  # where it was proposed
    pretrained: ClassVar[bool] = True  # False: start from random weights
    rest: ClassVar[str] = ""  # the field that takes, as (name, value) pairs, all options that are no field
    needs: ClassVar[str] = ""  # "cuda": it runs on such a GPU alone

    _: KW_ONLY
    reinit: int = later(0)
    anchor: float = later(0.0)
    average: Literal["none", "swa", "wise-ft"] = later("none")

    @abstractmethod
    def phases(self, depth: int) -> tuple[Phase, ...]:
        """The phases for an encoder of `depth` layers (0 for static word vectors)."""

    def adapt(self, encoder: Insertable) -> None:  # noqa: B027  (empty on purpose: most methods insert nothing)
        """Insert modules into the encoder (LoRA, adapters). Called once, before the phases; what is inserted
        has names that `rates` can match."""

    def checked_phases(self, depth: int) -> tuple[Phase, ...]:
        """The phases, or a BenchError that names this strategy and what is wrong with it."""
        try:
            declared: Any = self.phases(depth)
        except ValueError as error:
            raise BenchError(
                f"strategy '{self.name}' does not fit an encoder of {depth} layers: {said(error, name=False)}",
                code="strategy-does-not-fit",
            ) from error
        except (Exception, SystemExit, GeneratorExit) as error:  # a plug-in may raise anything
            raise BenchError(
                f"strategy '{self.name}', phases({depth}) raised {said(error)}",
                code="phases-raised",
            ) from error
        if not isinstance(declared, (tuple, list)):
            raise BenchError(
                f"strategy '{self.name}', phases({depth}) gave {str(declared)[:80]}; it must be a tuple of Phase",
                code="no-phases",
            )
        phases = tuple(declared)
        if not phases:
            raise BenchError(f"strategy '{self.name}' declares no phase", code="no-phase")
        of_task = [phase for phase in phases if getattr(phase, "objective", "task") == "task"]
        for number, phase in enumerate(phases, 1):
            wrong = phase.wrong(alone=len(of_task) == 1) if isinstance(phase, Phase) else "it is not a Phase"
            if wrong:
                raise BenchError(f"strategy '{self.name}', phase {number}: {wrong}", code="wrong-phase")
        if of_task != list(phases[len(phases) - len(of_task) :]) or not of_task:
            raise BenchError(
                f"strategy '{self.name}': its last phases, at least one, must train for the task",
                code="wrong-phase",
            )
        self._check_options(depth)
        self._check_holds(of_task)
        if abs(sum(phase.share for phase in of_task) - 1) > 1e-6:
            shares = ", ".join(f"{phase.share:g}" for phase in of_task)
            raise BenchError(
                f"strategy '{self.name}': the shares of its phases ({shares}) must sum to one",
                code="wrong-shares",
            )
        return phases

    def _check_options(self, depth: int) -> None:
        """BenchError where an option that every strategy has does not fit an encoder of `depth` layers."""
        if type(self.reinit) is not int or not _is_number(self.anchor):
            name = "anchor" if type(self.reinit) is int else "reinit"
            raise BenchError(
                f"strategy '{self.name}': {name} is {_shown(getattr(self, name))}; it must be a "
                f"{'whole number' if name == 'reinit' else 'number'}",
                code="wrong-option",
            )
        if not 0 <= self.reinit <= depth:
            raise BenchError(
                f"strategy '{self.name}' does not fit an encoder of {depth} layers: reinit={_shown(self.reinit)} "
                f"must be between 0 and {depth}",
                code="strategy-does-not-fit",
            )
        if not 0 <= self.anchor <= LARGEST:
            raise BenchError(
                f"strategy '{self.name}': anchor is {_shown(self.anchor)}; it must be a finite number >= 0",
                code="wrong-option",
            )
        if self.average not in AVERAGES:
            raise BenchError(
                f"strategy '{self.name}': average is {_shown(self.average)}; choose from {', '.join(AVERAGES)}",
                code="wrong-option",
            )
        if not self.pretrained and (self.reinit or self.anchor or self.average == "wise-ft"):
            raise BenchError(
                f"strategy '{self.name}' starts from random weights: reinit, anchor and wise-ft need given ones",
                code="wrong-option",
            )

    def _check_holds(self, phases: Sequence[Phase]) -> None:
        """BenchError where anchor or average would change nothing of these phases."""
        learns = any(rate for phase in phases for _, rate in phase.rates)
        if not learns and (self.anchor or self.average == "wise-ft"):
            option = "anchor" if self.anchor else "average='wise-ft'"
            raise BenchError(
                f"strategy '{self.name}': {option} needs an encoder that learns, and here the head alone does",
                code="nothing-to-hold",
            )
        if self.average != "none" and any(phase.solver != "adamw" for phase in phases):
            raise BenchError(
                f"strategy '{self.name}': average needs states along the way, and L-BFGS gives the last alone",
                code="nothing-to-average",
            )


def check_coverage(strategy: Strategy, phases: Sequence[Phase], parameters: Iterable[str]) -> None:
    """BenchError where a phase leaves one of the named parameters without a rate, trains none, or has rates for the
    encoder that none of its parameters gets."""
    names = list(parameters)
    encoder = [name for name in names if not name.startswith("head.")]
    for number, phase in enumerate(phases, 1):
        try:
            rates = [phase.rate(name) for name in names]
        except ValueError as error:
            raise BenchError(
                f"strategy '{strategy.name}', phase {number}: {error}; end its rates with ('*', FROZEN)",
                code="parameter-without-rate",
            ) from error
        if not any(rates):
            raise BenchError(
                f"strategy '{strategy.name}', phase {number}: nothing learns", code="nothing-learns"
            )
        meant = [pattern for pattern, rate in phase.rates if rate]
        if meant and encoder and not any(map(phase.rate, encoder)):
            raise BenchError(
                f"strategy '{strategy.name}', phase {number}: nothing of this encoder learns, since no parameter "
                f"(such as '{encoder[-1]}') is matched by {', '.join(map(repr, meant))}",
                code="no-parameter-matches",
            )


# --------------------------------------------------------------------------------------------------
# Examples


@dataclass(frozen=True, slots=True)
class TextExample:
    """A text, or a pair of texts, with one label. `group` is the document that it comes from; a group never spans
    splits. `pair` is the second text; '' where there is one text."""

    id: str
    text: str
    label: str
    group: str = ""
    pair: str = later("")


@dataclass(frozen=True, slots=True)
class LabelsExample:
    """A text, or a pair of texts, with any number of labels, each of them once; none is a valid answer."""

    id: str
    text: str
    labels: tuple[str, ...]
    group: str = ""
    pair: str = later("")


@dataclass(frozen=True, slots=True)
class NumberExample:
    """A text, or a pair of texts, with a number: a rating, a similarity."""

    id: str
    text: str
    number: float
    group: str = ""
    pair: str = later("")


@dataclass(frozen=True, slots=True)
class WordsExample:
    """A tokenised sentence with one IOB2 tag for each word."""

    id: str
    words: tuple[str, ...]
    tags: tuple[str, ...]
    group: str = ""


@dataclass(frozen=True, slots=True)
class QuestionExample:
    """A question on a context with its gold answers as (text, first character in the context); none where the
    context does not answer it."""

    id: str
    question: str
    context: str
    answers: tuple[tuple[str, int], ...]
    group: str = ""


Example = TextExample | LabelsExample | NumberExample | WordsExample | QuestionExample


@dataclass(frozen=True)
class Splits:
    """The rows of a task: for training, for selection, and for scoring once; `shift` holds other domains."""

    train: Sequence[Any]
    validation: Sequence[Any]
    test: Sequence[Any]
    shift: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def scored(self) -> dict[str, Sequence[Any]]:
        """The test sets by name: `test`, then the shift sets."""
        return {"test": self.test, **self.shift}


# --------------------------------------------------------------------------------------------------
# Tasks


MetricKind = Literal[
    "mean",
    "ratio",
    "f1",
    "macro_f1",
    "class_f1",
    "sets_f1",
    "macro_recall",
    "class_precision",
    "class_recall",
    "pearson",
    "spearman",
    "mcc",
    "error",
]


METRIC_COLUMNS: Mapping[str, int] = {
    **dict.fromkeys(("mean", "error", "class_f1", "class_precision", "class_recall"), 1),
    **dict.fromkeys(("ratio", "pearson", "spearman"), 2),
    "f1": 3,
}
"""How many columns a metric names, by its kind; none where its kind is not here."""


@dataclass(frozen=True)
class Metric:
    """How a score follows from the per-example columns of a prediction file, so that it can be resampled.

    mean(a): the mean of column a.  ratio(a, b): sum of a over sum of b.
    f1(t, p, g): 2 sum t / (sum p + sum g), of true positives, predicted and gold counts.
    macro_f1: unweighted mean over labels of the F1 of columns `reference` and `prediction`.
    class_f1(label): F1 of that one label in columns `reference` and `prediction`.
    macro_recall: unweighted mean over labels of the recall of columns `reference` and `prediction`.
    class_precision(label), class_recall(label): of that one label.
    sets_f1: macro_f1 where `reference` and `prediction` are sets of labels, written as JSON lists.
    pearson(a, b), spearman(a, b): the correlation of columns a and b, or of their ranks; in [-1, 1].
    mcc: Matthews' correlation of columns `reference` and `prediction`; in [-1, 1].
    error(a): the mean of column a, in the units of the labels; lower is better.
    """

    name: str
    kind: MetricKind
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = METRIC_COLUMNS.get(self.kind, 0)
        if self.kind not in get_args(MetricKind) or len(self.columns) != expected:
            raise BenchError(
                f"metric {self.name!r:.60} of kind {self.kind!r:.60} names {len(self.columns)} columns: mean, "
                f"error and class_* take 1, ratio, pearson and spearman 2, f1 3, and the other kinds "
                f"({', '.join(kind for kind in get_args(MetricKind) if kind not in METRIC_COLUMNS)}) none",
                code="wrong-metric",
            )


class Task(ABC):
    """Rows, their encoding, and their scores. An adapter (tasks/classification.py and its siblings)
    implements everything but `splits`; a data-set file names its source and implements `splits`."""

    name: ClassVar[str]
    summary: ClassVar[str]  # one sentence for `list`
    licence: ClassVar[str] = "not stated"
    sizes: ClassVar[str] = ""  # for `list`: rows of each split, in words
    version: ClassVar[int] = 1  # raise it when rows, splits or scores change
    origin: ClassVar[str] = (
        ""  # of a task that is described by values, not code: a digest of them and its rows
    )
    adapter: ClassVar[str]  # classification, sentiment, regression, multilabel, ner, qa, unanswerable
    head: ClassVar[Literal["pooled", "token", "span"]]  # what the head reads and gives
    metrics: ClassVar[tuple[Metric, ...]]  # includes `accuracy` and `f1`, except in regression
    headline: ClassVar[str]  # the name of the metric that ranks strategies
    caveat: ClassVar[str] = ""  # what flatters or unsettles its scores: for `list`, and under tables
    scorer: ClassVar[str] = ""  # a new name where the same metric is counted by another rule than before

    @abstractmethod
    def splits(self, sources: Sources) -> Splits:
        """All rows of the task, in a fixed order, divided by document or article. Deterministic."""

    @abstractmethod
    def check(self, example: Any) -> str | None:
        """What is wrong with this example (a tag that is not IOB2, an answer not in its context), or None."""

    @abstractmethod
    def labels(self, train: Sequence[Any]) -> tuple[str, ...]:
        """The label set, in the order of the head's outputs; () where the head has no labels (qa). In regression
        the only output, named by the scale of the training rows."""

    @abstractmethod
    def encode(
        self, examples: Sequence[Any], tokenizer: Any, labels: Sequence[str], recipe: Recipe
    ) -> Encoded:
        """Examples as flat arrays of token ids and targets. `tokenizer` is a fast transformers tokenizer.

        Raises BenchError where a label of an example is not in `labels`."""

    @abstractmethod
    def decode(
        self, logits: np.ndarray, encoded: Encoded, examples: Sequence[Any], labels: Sequence[str]
    ) -> list[Any]:
        """One prediction for each example (label, number, list of tags, answer text) from logits packed as in
        `encoded`: pooled [sequences, labels], token [tokens, labels], span [tokens, 2]; float32."""

    def fitted(
        self,
        logits: np.ndarray,
        encoded: Encoded,
        examples: Sequence[Any],
        labels: Sequence[str],
        recipe: Recipe,
    ) -> Task:
        """The task that decodes with what it chooses on the validation rows, such as a threshold, from the trained
        model's logits of them; itself where it chooses nothing. The same rule for all strategies."""
        return self

    @property
    def chosen(self) -> Mapping[str, float]:
        """What `fitted` chose, by name, for the record and for exported models."""
        return {}

    @abstractmethod
    def trivial(self, train: Sequence[Any], examples: Sequence[Any]) -> list[Any]:
        """Predictions that need no model: the majority label of the training rows, no entity, no answer."""

    @abstractmethod
    def score(self, examples: Sequence[Any], predictions: Sequence[Any]) -> dict[str, float]:
        """The scores by metric name, from the field's reference scorers: in [0, 1], correlations in [-1, 1], errors
        in the units of the labels."""

    @abstractmethod
    def columns(self, examples: Sequence[Any], predictions: Sequence[Any]) -> dict[str, list[Any]]:
        """The per-example columns of the prediction file: `reference` and `prediction` as text,
        and the numeric columns that `metrics` name."""


# --------------------------------------------------------------------------------------------------
# What is run


@dataclass(frozen=True)
class Recipe:
    """The settings that all strategies of a task share."""

    train: int | None = None  # examples of the training split; None: all
    validation: int | None = None
    test: int | None = None  # of the test set and of each shift set
    epochs: float = 3.0  # the training budget, in passes over the training split
    batch_size: int = 32
    max_length: int = 128  # tokens of a sequence
    stride: int = 32  # tokens that neighbouring windows share (qa)
    max_context: int | None = None  # drop questions whose context has more characters (qa)
    warmup: float = 0.1  # of each phase: rates rise in a straight line; then they follow `schedule`
    weight_decay: float = 0.01  # of weight matrices; never of biases, norms and embeddings
    clip: float = 1.0  # gradient norm
    evaluations: int = 1  # validation passes per epoch
    patience: int = 3  # evaluations without a better validation loss, in the last phase
    head: Literal["linear", "bottleneck"] = "linear"
    pooling: Literal["mean", "cls", "last"] = "mean"
    features: Literal["last", "last-4", "mix"] = (
        "last"  # of a frozen encoder: what the head reads of its layers
    )
    layers: int | None = None  # of the encoder, from the bottom: the head reads the last of them; None: all
    dropout: float = 0.1  # in the head
    encoder_dropout: float | None = None  # in blocks that learn; None: what the backbone's configuration says
    rate_scale: float = 1.0  # multiplies every learning rate
    tune: tuple[float, ...] = ()  # further scales to try for every cell; the lowest validation loss decides
    shift: bool = False  # also score the test sets of other domains
    resample: Literal["none", "train"] = later("none")  # "train": each seed draws its training rows anew
    attention: Literal["own", "bidirectional"] = later("own")  # "bidirectional": decoders see later tokens
    serving: bool = later(False)  # measure what the trained model costs to use, outside the cold seconds
    forgetting: bool = later(False)  # measure how far the encoder moved from the given one, outside them too

    shots: int | None = later(None)  # training rows a class, drawn anew for each seed; None: as `train` says
    class_weights: Literal["none", "balanced"] = later(
        "none"
    )  # of the loss: rows / (classes * rows of the class)
    windows: Literal["none", "mean", "max"] = later(
        "none"
    )  # of long texts: how the windows' logits are pooled
    truncation: Literal["head", "head+tail"] = later("head")  # what is kept of a text that is too long
    threshold: Literal["half", "validation"] = later(
        "half"
    )  # of several labels: 0.5, or the best on validation
    logits: bool = later(False)  # predictions hold the logits of every text, in float16
    calibrate: bool = later(
        False
    )  # divide kept logits by a temperature that is fitted on the validation rows

    schedule: Literal["linear", "cosine", "constant", "slanted-triangular"] = later(
        "linear"
    )  # of every phase
    schedule_ratio: float = later(32.0)  # slanted-triangular: the largest rate over the smallest
    bias_correction: bool = later(True)  # of AdamW's moments; False: as BERT was published
    head_rate_scale: float = later(1.0)  # multiplies the learning rates of the head alone
    unlabelled: str = later(
        ""
    )  # a text file, one passage a line: what `masked-lm` phases read, if not the task

    def __post_init__(self) -> None:
        positive = ("epochs", "batch_size", "max_length", "clip", "evaluations", "patience", "rate_scale")
        for name in (*positive, "head_rate_scale"):
            if not 0 < getattr(self, name) <= LARGEST:
                raise self._wrong(name, f"must be positive and at most {LARGEST:g}")
        if not all(0 < scale * self.rate_scale <= LARGEST for scale in self.tune):
            raise self._wrong(
                "tune", f"must hold scales that are positive and, with rate_scale, at most {LARGEST:g}"
            )
        if len(set(self.tune)) < len(self.tune):
            raise self._wrong("tune", "must hold scales that differ")
        for name in ("train", "validation", "test", "max_context", "layers", "shots"):
            value = getattr(self, name)
            if value is not None and not 1 <= value <= LARGEST:
                raise self._wrong(name, f"must be at least 1 and at most {LARGEST:g}, or left out for all")
        if not 0 <= self.weight_decay < math.inf:
            raise self._wrong("weight_decay", "must be finite and >= 0")
        for name in ("warmup", "dropout", "encoder_dropout"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise self._wrong(name, "must be in [0, 1)")
        if self.shots and (self.train or self.resample != "none"):
            raise BenchError(
                "recipe.shots draws rows of every class for each seed: leave out recipe.train and recipe.resample",
                code="wrong-recipe",
            )
        if self.windows != "none" and self.truncation != "head":
            raise BenchError(
                "recipe.windows reads whole texts: leave out recipe.truncation", code="wrong-recipe"
            )
        if not 1 <= self.schedule_ratio <= LARGEST:
            raise self._wrong("schedule_ratio", f"must be at least 1 and at most {LARGEST:g}")
        if self.schedule_ratio != 32 and self.schedule != "slanted-triangular":
            raise self._wrong("schedule_ratio", "is for schedule = 'slanted-triangular': leave it out")
        if not 0 <= self.stride < self.max_length:
            raise self._wrong("stride", f"must be at least 0 and below max_length ({self.max_length})")

    def _wrong(self, name: str, rule: str) -> BenchError:
        value = _shown(getattr(self, name))
        return BenchError(f"recipe.{name} is {value}; it {rule}", code="wrong-recipe")


class _List(list[Any]):
    """A list among the options of a strategy, as a part of keys: nobody changes it."""

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(tuple(self))


class _Table(dict[str, Any]):
    """A table among the options of a strategy, as a part of keys: nobody changes it."""

    def __hash__(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return hash(frozenset(self.items()))


def _hashable(value: Any) -> Any:
    """A value of an option that equals the given one and can be a part of a key."""
    if isinstance(value, list):
        return _List(map(_hashable, value))
    if isinstance(value, dict):
        return _Table((name, _hashable(item)) for name, item in value.items())
    if type(value) is tuple:  # of a program that makes cells itself
        return tuple(map(_hashable, value))
    return value


@dataclass(frozen=True)
class Cell:
    """One measurement: a strategy on a task with a backbone and a seed, under a recipe."""

    suite: str
    task: str
    strategy: str
    backbone: str
    seed: int
    recipe: Recipe
    options: tuple[tuple[str, Any], ...] = ()  # the strategy's fields that the suite sets

    def __post_init__(self) -> None:
        if self.options:
            options = tuple((name, _hashable(value)) for name, value in self.options)
            object.__setattr__(self, "options", options)

    @property
    def id(self) -> str:
        """Readable, and the path of its files: `movie-sentiment/gradual/minilm/seed0`."""
        backbone = self.backbone.strip("/").replace("/", "--").replace(":", "-")
        return f"{self.task}/{self.strategy}/{backbone}/seed{self.seed}"

    @property
    def draw(self) -> int | None:
        """Which draw of the training rows the cell has; None where all seeds have the same rows."""
        return self.seed if self.recipe.resample == "train" or self.recipe.shots else None

    @property
    def group_key(self) -> tuple[str, str, Recipe, int | None]:
        """Cells with equal keys form a group: they share rows, weights and prefix, at whatever learning rate."""
        return self.task, self.backbone, replace(self.recipe, rate_scale=1.0, tune=()), self.draw


def digest(value: Any) -> str:
    """A short SHA-256 of any JSON-like value or dataclass; equal values give equal digests everywhere."""

    def plain(item: Any) -> Any:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return set_values(item)
        raise BenchError(
            f"an option is a {type(item).__name__} ({item!s:.60}): give numbers, text, true or false, or lists and "
            "tables of them",
            code="wrong-option",
        )

    text = json.dumps(value, sort_keys=True, default=plain, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
