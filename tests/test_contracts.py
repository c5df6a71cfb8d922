"""What an author may declare, and what an error about it says."""

from __future__ import annotations

import os
import pickle
import stat
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import (
    FROZEN,
    BenchError,
    Cell,
    Phase,
    Recipe,
    Strategy,
    check_coverage,
    digest,
    later,
)
from bench.runs.plain_files import Irregular
from bench.runs.sealing import Damaged
from bench.user_data.quoting import MalformedRows
from strategies.gradual import Gradual
from strategies.top_layers import TopLayers

PARAMETERS = ("embeddings.word_embeddings.weight", "layers.0.output.dense.bias", "head.map.1.weight")


@dataclass(frozen=True)
class Given(Strategy):
    """A strategy with the phases that it is given."""

    name = "given"
    summary = "phases from a test"
    stages: tuple[Phase, ...] = ()

    def phases(self, depth: int) -> tuple[Phase, ...]:
        return self.stages


def test_the_first_pattern_that_matches_gives_the_rate() -> None:
    phase = Phase(1.0, (("*.bias", 1e-3), ("layers.0.*", 1e-4), ("*", FROZEN)))
    assert phase.rate("layers.0.output.dense.bias") == 1e-3
    assert phase.rate("layers.0.output.dense.weight") == 1e-4
    assert phase.rate("layers.1.output.dense.weight") == FROZEN


def test_a_layer_pattern_does_not_match_a_layer_whose_number_begins_alike() -> None:
    phase = Phase(1.0, (("layers.1.*", 1e-4), ("*", FROZEN)))
    assert phase.rate("layers.11.output.dense.weight") == FROZEN


def test_the_head_has_its_own_rate_whatever_the_patterns_say() -> None:
    assert Phase(1.0, (("*", FROZEN),), head=0.5).rate("head.map.1.bias") == 0.5


def test_a_parameter_without_a_pattern_is_named_with_strategy_and_phase() -> None:
    phases = (Phase(0.5), Phase(0.5, (("layers.*", 1e-4),)))
    with pytest.raises(
        BenchError, match=r"'given', phase 2: .*'embeddings\.word_embeddings\.weight'"
    ) as error:
        check_coverage(Given(phases), phases, PARAMETERS)
    assert error.value.code == "parameter-without-rate"


def test_a_phase_in_which_nothing_learns_is_an_error() -> None:
    phases = (Phase(1.0, (("*", FROZEN),), head=FROZEN),)
    with pytest.raises(BenchError, match="'given', phase 1") as error:
        check_coverage(Given(phases), phases, PARAMETERS)
    assert error.value.code == "nothing-learns"


@pytest.mark.parametrize(
    ("rates", "learns"),
    [
        ((("layers.0.*", 1e-4), ("*", FROZEN)), True),
        ((("layer.0.*", 1e-4), ("*", FROZEN)), False),  # misspelt: the head alone would learn
        ((("layers.*.lora_*", 1e-4), ("*", FROZEN)), False),  # nothing was inserted
        ((("*", FROZEN), ("layers.0.*", 1e-4)), False),  # the first match wins
        ((("*", FROZEN),), True),  # the head alone is meant
    ],
)
def test_rates_that_no_parameter_of_the_encoder_gets_are_an_error(rates: Any, learns: bool) -> None:
    phases = (Phase(1.0, rates),)
    if learns:
        check_coverage(Given(phases), phases, PARAMETERS)
        return
    with pytest.raises(BenchError, match="'given', phase 1: nothing of this encoder learns") as error:
        check_coverage(Given(phases), phases, PARAMETERS)
    assert error.value.code == "no-parameter-matches"


@pytest.mark.parametrize(
    "options", [{"reinit": "2"}, {"reinit": 1.5}, {"reinit": True}, {"anchor": "x"}, {"anchor": None}]
)
def test_an_option_of_every_strategy_has_its_type(options: dict[str, Any]) -> None:
    """Also as the default of a plug-in's own class, which no suite sets."""
    assert refusal(Given((Phase(1.0, (("*", 1e-4),)),), **options)) == "wrong-option"


def test_no_phase_is_an_error() -> None:
    assert refusal(Given()) == "no-phase"


@pytest.mark.parametrize("shares", [(0.5,), (0.5, 0.6), (0.3, 0.3, 0.3)])
def test_shares_sum_to_one(shares: tuple[float, ...]) -> None:
    assert refusal(Given(tuple(Phase(share) for share in shares))) == "wrong-shares"


def test_shares_may_differ_from_one_by_rounding() -> None:
    assert len(Given(tuple(Phase(0.1) for _ in range(10))).checked_phases(6)) == 10


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        *(({"share": share}, "share") for share in (0.0, -0.5, 1.5, float("nan"), "1", None, True)),
        *(({"head": rate}, "learning rate") for rate in (-1e-4, float("nan"), float("inf"), "fast", None)),
        *(({"rates": (("*", rate),)}, "learning rate") for rate in (-1e-4, float("nan"), "fast", True)),
        *(({"rates": rates}, "rates") for rates in ((), 5, None, "*", (("*",),), ((1, 0.1),), {"*": 0.1})),
        *(({"patience": patience}, "patience") for patience in (-1, 1.5, "2", True)),
        ({"solver": "sgd"}, "solver"),
        ({"solver": "lbfgs", "rates": (("*", 1e-4),)}, "L-BFGS"),
        ({"solver": "lbfgs", "patience": 3}, "patience"),
        ({"select": 1}, "select needs an encoder that learns"),
        ({"freeze": 50.0}, "freeze needs an encoder that learns"),
        ({"rates": (("head.*", 5e-3), ("*", FROZEN))}, r"'head.\*' is of the head"),
    ],
)
def test_a_phase_says_what_is_wrong_with_it(wrong: dict[str, Any], named: str) -> None:
    phase = Phase(**{"share": 1.0, **wrong})
    with pytest.raises(BenchError, match=rf"^strategy 'given', phase 1: .*{named}") as error:
        Given((phase,)).checked_phases(6)
    assert error.value.code == "wrong-phase"
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("objective", ["masked-lm", "contrastive"])
def test_training_before_the_task_lets_the_encoder_learn(objective: Any) -> None:
    before = Phase(1.0, objective=objective)
    with pytest.raises(BenchError, match=r"phase 1: .* no rate lets it learn") as error:
        Given((before, Phase(1.0))).checked_phases(6)
    assert error.value.code == "wrong-phase"


def test_what_is_no_phase_is_named_by_its_number() -> None:
    stages: Any = (Phase(0.5), "all")
    assert refusal(Given(stages)) == "wrong-phase"


@pytest.mark.parametrize("declared", [5, None, "all", Phase(1.0), iter([Phase(1.0)]), {Phase(1.0)}])
def test_phases_are_a_tuple(declared: Any) -> None:
    assert refusal(Given(declared)) == "no-phases"


def test_a_list_of_phases_is_as_good() -> None:
    stages: Any = [Phase(1.0)]
    assert Given(stages).checked_phases(6) == (Phase(1.0),)


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(3), RecursionError()])
def test_whatever_phases_raises_is_one_line(error: BaseException) -> None:
    class Raises(Given):
        def phases(self, depth: int) -> tuple[Phase, ...]:
            raise error

    assert refusal(Raises()) == "phases-raised"


def test_phases_that_is_no_method_is_one_line() -> None:
    class Five(Given):
        phases = 5  # pyright: ignore[reportAssignmentType]

    assert refusal(Five()) == "phases-raised"


def refusal(strategy: Strategy) -> str:
    """The code of the error about the strategy's phases."""
    with pytest.raises(BenchError) as error:
        strategy.checked_phases(6)
    return error.value.code


@pytest.mark.parametrize("layers", [0, -1, 7])
def test_k_of_top_layers_must_fit_the_depth(layers: int) -> None:
    with pytest.raises(BenchError, match=f"'top-layers'.* 6 layers: layers={layers} ") as error:
        TopLayers(layers=layers).checked_phases(6)
    assert error.value.code == "strategy-does-not-fit"


def test_k_may_be_the_depth() -> None:
    assert TopLayers(layers=6).checked_phases(6)[0].rate("layers.0.output.dense.weight") > 0


@pytest.mark.parametrize("stages", [1, 8])
def test_the_stages_of_gradual_must_fit_the_depth(stages: int) -> None:
    assert refusal(Gradual(stages=stages)) == "strategy-does-not-fit"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("epochs", float("nan")),
        ("epochs", float("inf")),
        ("batch_size", 0),
        ("max_length", -1),
        ("clip", 0.0),
        ("patience", 0),
        ("rate_scale", 0.0),
        ("rate_scale", float("inf")),
        ("train", 0),
        ("validation", 0),
        ("test", -1),
        ("max_context", 0),
        ("warmup", 1.0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("stride", 128),
        ("stride", -1),
        ("weight_decay", -0.01),
        ("weight_decay", float("nan")),
    ],
)
def test_a_recipe_names_the_key_that_is_wrong(key: str, value: float) -> None:
    with pytest.raises(BenchError, match=rf"recipe\.{key} is ") as error:
        Recipe(**{key: value})
    assert error.value.code == "wrong-recipe"


CELL = Cell("quick", "movie-sentiment", "gradual", "minilm", 0, Recipe())


def test_a_cell_id_is_readable() -> None:
    assert CELL.id == "movie-sentiment/gradual/minilm/seed0"


@pytest.mark.parametrize("backbone", ["org/model", "/data/model/", "./model", "../../model", "~/model"])
def test_a_cell_id_is_a_path_of_four_parts_that_stays_in_its_folder(backbone: str) -> None:
    parts = replace(CELL, backbone=backbone).id.split("/")
    assert len(parts) == 4
    assert not {"", ".", ".."} & set(parts)


def test_equal_values_have_one_digest_in_every_process() -> None:
    code = (
        "from bench.contracts import Cell, Recipe, digest;"
        "print(digest(Cell('quick', 'movie-sentiment', 'gradual', 'minilm', 0, Recipe())))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == digest(CELL)


def test_a_digest_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [CELL]}) == digest({"b": [CELL], "a": 1})


@pytest.mark.parametrize(
    "other",
    [replace(CELL, seed=1), replace(CELL, recipe=Recipe(epochs=2)), replace(CELL, options=(("k", 1),))],
)
def test_a_digest_changes_with_any_field(other: Cell) -> None:
    assert digest(other) != digest(CELL)


@pytest.mark.parametrize(
    "error",
    [
        BenchError("a line", code="a-code"),
        Damaged(Path("record.json"), "cut"),
        Irregular(Path("link"), stat.S_IFLNK),
        MalformedRows(Path("rows.csv"), 3, "a quote is open"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_processes(error: BenchError) -> None:
    try:
        raise error from OSError("the cause")
    except BenchError as raised:
        copy = pickle.loads(pickle.dumps(raised))
    assert (type(copy), str(copy), copy.code) == (type(error), str(error), error.code)
    assert vars(copy) == vars(error)


def test_what_cannot_be_digested_is_an_error() -> None:
    with pytest.raises(BenchError, match="a set") as error:
        digest({"a": {1}})
    assert error.value.code == "wrong-option"


@dataclass(frozen=True)
class _Settings:
    epochs: int = 3
    schedule: str = later("linear")


@dataclass(frozen=True)
class _Before:
    epochs: int = 3


def test_a_field_added_later_changes_a_digest_only_where_it_is_set():
    assert digest(_Settings()) == digest(_Before())
    assert digest(_Settings(schedule="cosine")) != digest(_Before())
    assert digest(_Settings(epochs=4)) == digest(_Before(epochs=4)) != digest(_Before())


def test_options_of_a_cell_are_hashable_however_they_nest() -> None:
    nested = {"a": ([1, {"b": [2]}], "x")}
    cell = replace(CELL, options=(("k", nested),))
    assert dict(cell.options) == {"k": nested}
    assert hash(cell) == hash(replace(cell))
