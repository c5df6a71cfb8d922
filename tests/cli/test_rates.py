"""`rates` as a user types it, on development runs made by hand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bench import api
from bench import suite as suites
from bench.cli.rates import without_missing
from bench.cli.run import request
from bench.contracts import BenchError, Cell
from bench.planning.grids import Filters
from bench.protocol import development_run
from bench.protocol.choice import place_of
from bench.registry import Registry, discover
from bench.runs.folder import Store
from bench.runs.record import Data, Record, Trial
from tests.protocol.suites import SUITE

TWO_SEEDS = SUITE.replace("train = 100\n", "train = 100\nseeds = 2\n").replace(
    '"full", "probe"', '"full", "lora"'
)
FULL, LORA = "movie-sentiment/minilm/full", "movie-sentiment/minilm/lora"
BEST = {FULL: 2.0, LORA: 1.0}
"""The scale with the lowest loss; 1.0 elsewhere."""

Answer = tuple[int, str, str]
Bench = Callable[..., Answer]


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """`python -m bench` in a folder with the suite."""
    Path("ranked.toml").write_text(TWO_SEEDS)
    return bench


def name_of(cell: Cell) -> str:
    return "/".join(place_of(cell))


def finished(
    seeds: Mapping[str, int],
    rows: int = 300,
    filters: Filters | None = None,
    path: str = "ranked.toml",
) -> None:
    """A development run in which so many seeds have finished of what is named, as `task/encoder/strategy`."""
    suite = suites.load(path)
    registry, trying, cells = development_run.cells(Registry(discover()), suite, filters or Filters())
    store = Store(Path("results/runs") / trying.name)
    store.begin(trying.name, [cell.id for cell in cells])
    for cell in cells:
        if cell.seed < seeds.get(name_of(cell), 0):
            store.save(record(cell, registry.fingerprint(cell), rows))


def record(cell: Cell, fingerprint: str, rows: int) -> Record:
    best = BEST.get(name_of(cell), 1.0)
    trials = tuple(
        Trial(scale=scale, loss=abs(scale - best), kept=scale == best, score=0.5)
        for scale in cell.recipe.tune
    )
    data = Data(fingerprint="f", task_version=1, sizes={"train": 100, "validation": rows, "test": rows})
    fields = {"headline": "accuracy", "trials": trials, "data": data}
    return Record(cell=cell, fingerprint=fingerprint, status="done", **fields)


def chosen() -> dict[str, float]:
    rates = suites.load("ranked.toml").rates
    assert rates is not None
    return {
        f"{task}/{backbone}/{strategy}": scale
        for task, backbones in rates.scales.items()
        for backbone, strategies in backbones.items()
        for strategy, scale in strategies.items()
    }


def refused(answer: Answer, *texts: str) -> None:
    """Exit code 2, one line that has the texts, and the suite's file as it was."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert all(text in err for text in texts), err
    assert Path("ranked.toml").read_text() == TWO_SEEDS


def stopped(*_: object) -> None:
    raise BenchError("stopped here", code="stopped")


def test_the_best_scales_are_fixed_and_the_rest_is_named(bench: Bench) -> None:
    finished({FULL: 2, LORA: 1})
    code, out, err = bench("rates", "ranked.toml")
    assert (code, err) == (0, "")
    assert chosen() == {FULL: 2.0}
    assert "ranked.toml: 1 rate fixed" in out
    assert f"a better rate may lie beyond it: {FULL}\n" in out
    assert f"left out, since not every seed has finished: {LORA}\n" in out
    assert "no seed has finished: reuters-r8/minilm/full, reuters-r8/minilm/lora\n" in out


def test_a_later_run_adds_to_what_was_chosen(bench: Bench) -> None:
    finished({FULL: 2})
    bench("rates", "ranked.toml")
    finished({LORA: 2})
    code, out, _ = bench("rates", "ranked.toml")
    assert code == 0
    assert chosen() == {FULL: 2.0, LORA: 1.0}
    assert "left out" not in out


def test_nothing_is_written_where_no_place_has_all_its_seeds(bench: Bench) -> None:
    finished({FULL: 1, LORA: 1})
    refused(bench("rates", "ranked.toml"), FULL, LORA, "--rates development")


def test_nor_where_the_run_is_of_another_suite(bench: Bench) -> None:
    finished({FULL: 2})
    folder = Path("results/runs/ranked-development")
    Path("other.toml").write_text(TWO_SEEDS.replace("train = 100", "train = 90"))
    code, out, err = bench("rates", "other.toml", folder)
    assert (code, out) == (2, "")
    assert "no finished cell is one that suite 'other.toml' would run now" in err
    assert "[rates]" not in Path("other.toml").read_text()


def test_nor_where_too_few_rows_decided(bench: Bench) -> None:
    finished({FULL: 2}, rows=250)
    refused(bench("rates", "ranked.toml"), "movie-sentiment': 250 validation rows decided", "300")


def test_what_a_request_named_beyond_the_grid_can_be_chosen_too(bench: Bench) -> None:
    beyond = "movie-sentiment@50/minilm/frozen"
    finished({beyond: 2}, filters=Filters(("movie-sentiment@50",), ("frozen",)))
    assert bench("rates", "ranked.toml")[0] == 0
    assert chosen() == {beyond: 1.0}


def test_a_fixed_rate_changes_only_on_request(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    finished({FULL: 2})
    bench("rates", "ranked.toml")
    before = Path("ranked.toml").read_text()
    monkeypatch.setitem(BEST, FULL, 0.5)
    finished({FULL: 2})
    code, _, err = bench("rates", "ranked.toml")
    assert code == 2
    assert "--again" in err
    assert Path("ranked.toml").read_text() == before
    assert bench("rates", "ranked.toml", "--again")[0] == 0
    assert chosen() == {FULL: 0.5}


def test_a_suite_with_data_of_its_own_has_a_draw_of_them(bench: Bench) -> None:
    """Its tasks are files, which the command must read to know them."""
    lines = [f"{'good' if n % 2 else 'bad'} text {n},{'yes' if n % 2 else 'no'}" for n in range(60)]
    Path("mine.csv").write_text("\n".join(["text,label", *lines]))
    Path("ranked.toml").write_text(
        TWO_SEEDS.replace(
            "[tasks.reuters-r8]", '[tasks.mine]\ndata = "mine.csv"\ntext = "text"\nlabel = "label"'
        )
    )
    Store(Path("results/runs/ranked-development")).begin("ranked-development", ["a/b/c/seed0"])
    code, _, err = bench("rates", "ranked.toml")
    assert code == 2
    assert "no finished cell is one that suite 'ranked.toml' would run now" in err


@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_request_that_departs_from_the_choice_says_so(
    bench: Bench, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.executors.launch.launch", stopped)
    finished({FULL: 2})
    bench("rates", "ranked.toml")
    arguments = (command, "ranked.toml", "-t", "movie-sentiment", "-s", "full", "--set")
    said = "the rates of suite 'ranked.toml' were chosen without --set recipe.epochs=1"
    assert said in bench(*arguments, "recipe.epochs=1")[2]
    assert "chosen without" not in bench(*arguments, "data.local=.")[2]
    default = bench(*arguments, "recipe.epochs=1", "--rates", "default")
    assert "chosen without" not in default[2]
    refused_setting = bench(*arguments, "rates.scales.movie-sentiment.minilm.full=1")
    assert refused_setting[0] == 2
    assert "chosen rates are not set by hand" in refused_setting[2]


def test_the_python_interface_scores_no_test_row_without_a_chosen_rate(bench: Bench) -> None:
    with pytest.raises(BenchError) as error:
        api.run("ranked.toml", tasks=["movie-sentiment"], strategies=["full"])
    assert error.value.code == "rates-not-chosen"


@pytest.mark.parametrize("name", ["ranked.toml", "my suites/ranking.toml"])
def test_the_advice_of_a_refusal_can_be_typed(
    bench: Bench, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every command in it, with the suite as it was typed, until test rows may be scored."""
    monkeypatch.setattr("bench.executors.launch.launch", stopped)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(TWO_SEEDS)
    part = ("-t", "movie-sentiment", "-s", "full")

    def typed(command: str, *more: str) -> Answer:
        program, *arguments = shlex.split(command)
        assert [program, *arguments[:2]] == ["python", "-m", "bench"]
        return bench(*arguments[2:], *more)

    refusals = [bench("run", name, *part)[2]]
    folder = Path("results/runs") / f"{Path(name).stem}-development"
    Store(folder).begin(folder.name, ["a/b/c/seed0"])
    refusals.append(bench("rates", name)[2])
    finished({FULL: 1}, path=name)
    refusals.append(bench("rates", name)[2])
    assert [len(re.findall("`(.*?)`", text)) for text in refusals] == [2, 1, 1]
    for command in re.findall("`(.*?)`", "".join(refusals)):
        _, _, err = typed(command, *(part if " run " in command else ()))
        assert "stopped here" in err or "not every seed" in err, command


def test_plan_says_what_run_refuses(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And goes on: what a suite would take is asked before its rates are chosen."""
    monkeypatch.setattr("bench.executors.launch.launch", stopped)
    finished({FULL: 2})
    bench("rates", "ranked.toml")
    sentiment = ("ranked.toml", "-t", "movie-sentiment", "-s")
    changed = (*sentiment, "full", "--set", "strategies.full.rate=1e-3")
    for arguments, reason in (
        ((*sentiment, "lora"), f"no rate was chosen for {LORA}"),
        (changed, "the default rates of full were changed"),
    ):
        code, _, err = bench("run", *arguments)
        assert code == 2
        (refusal,) = err.splitlines()
        for as_json in ((), ("--json",)):
            code, out, err = bench("plan", *arguments, *as_json)
            assert code == 0
            assert "cells" in out
            note = err.splitlines()[0]
            assert note == refusal.replace("transferbench: ", "note: `run` refuses these cells: ")
            assert reason in note
    for arguments in (
        (*sentiment, "full"),
        (*changed, "--rates", "default"),
        (*sentiment, "lora", "--rates", "development"),
    ):
        code, _, err = bench("plan", *arguments)
        assert (code, err) == (0, "")


OPTIONAL = """
optional = ["sst2"]
[tasks.reuters-r8]
[tasks.sst2]
[[grid]]
strategies = ["full"]
backbones = ["minilm"]
seeds = 1
"""


def test_an_optional_task_is_left_out_where_its_rows_cannot_be_had_and_nowhere_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "some.toml"
    path.write_text(OPTIONAL)

    def kept(local: Path) -> set[str]:
        asked = request(str(path), [f"data.local='{local}'"], [], Filters(), None)
        return {cell.task for cell in without_missing(asked, Filters())}

    assert kept(tmp_path / "nowhere") == {"reuters-r8"}
    assert "left out: sst2: data.local=" in capsys.readouterr().err
    path.write_text(OPTIONAL.replace("[tasks.reuters-r8]\n", ""))
    with pytest.raises(BenchError) as error:
        kept(tmp_path / "nowhere")
    assert error.value.code == "nothing-to-run"
    path.write_text(OPTIONAL)
    (tmp_path / "labels.json").write_text('{"sst2": {"names": ["positive", "negative"]}}')
    with pytest.raises(BenchError) as error:
        kept(tmp_path)
    assert error.value.code == "other-labels"
