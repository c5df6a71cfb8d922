"""Suites: what is wrong in a TOML file or on the command line is named, and the cells that come out."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.registry import Plugins
from bench.suite import Filters, Suite, cells, load, names, validate

TEXT = """
description = "two tasks"
seeds = 2

[recipe]
epochs = 3

[tasks.toy-sentiment]
[tasks.toy-ner]
batch_size = 8

[strategies.top-layers]
layers = 3

[[grid]]
strategies = ["frozen", "top-layers"]
backbones = ["minilm"]

[[grid]]
strategies = ["frozen"]
backbones = ["glove"]
tasks = ["toy-ner"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def suite(path: Path) -> Suite:
    return load(str(path))


def ids(suite: Suite, plugins: Plugins, **filters: Any) -> list[str]:
    return [cell.id for cell in cells(suite, plugins, Filters(**filters))]


@pytest.mark.parametrize("name", names())
def test_built_in_suites_are_valid(name: str, plugins: Plugins) -> None:
    suite = load(name)
    assert suite.description
    tasks = () if suite.tasks else ("toy-sentiment",)  # `own` gets its task on the command line
    assert cells(suite, plugins, Filters(tasks=tasks))


def test_a_suite_takes_the_name_of_its_file(suite: Suite) -> None:
    assert suite.name == "mine"


def test_every_combination_of_a_grid_is_a_cell(suite: Suite, plugins: Plugins) -> None:
    assert sorted(ids(suite, plugins)) == sorted(
        [
            *(
                f"{task}/{strategy}/minilm/seed{seed}"
                for task in ("toy-sentiment", "toy-ner")
                for strategy in ("frozen", "top-layers")
                for seed in (0, 1)
            ),
            "toy-ner/frozen/glove/seed0",
            "toy-ner/frozen/glove/seed1",
        ]
    )


def test_cells_that_share_a_prefix_are_neighbours(suite: Suite, plugins: Plugins) -> None:
    shared = [(cell.task, cell.backbone) for cell in cells(suite, plugins)]
    assert len([1 for a, b in itertools.pairwise(shared) if a != b]) == len(set(shared)) - 1


def test_a_cell_in_two_grids_runs_once(suite: Suite, plugins: Plugins) -> None:
    doubled = suite.model_copy(update={"grid": suite.grid * 2})
    assert ids(doubled, plugins) == ids(suite, plugins)


def test_a_task_has_the_suites_recipe_and_its_own_keys(suite: Suite) -> None:
    assert suite.task_recipe("toy-ner").epochs == 3
    assert suite.task_recipe("toy-ner").batch_size == 8
    assert suite.task_recipe("toy-sentiment").batch_size == 32


def test_a_strategy_has_the_options_of_the_suite(suite: Suite, plugins: Plugins) -> None:
    options = {cell.strategy: cell.options for cell in cells(suite, plugins)}
    assert options == {"frozen": (), "top-layers": (("layers", 3),)}


def test_a_task_with_sizes_is_a_cell_at_each(plugins: Plugins) -> None:
    suite = validate(
        {
            "name": "curve",
            "seeds": 1,
            "tasks": {"toy-sentiment": {"sizes": [10, 20, "all"]}},
            "grid": [{"strategies": ["full"], "backbones": ["minilm"], "tasks": ["toy-sentiment"]}],
        },
        "a test",
    )
    found = {cell.id: cell.recipe.train for cell in cells(suite, plugins)}
    assert found == {
        "toy-sentiment@10/full/minilm/seed0": 10,
        "toy-sentiment@20/full/minilm/seed0": 20,
        "toy-sentiment@all/full/minilm/seed0": None,
    }


SHOTS = """
[recipe]
shots = 8
[tasks.toy-sentiment]
[[grid]]
strategies = ["frozen"]
backbones = ["minilm"]
"""


@pytest.mark.parametrize(("said", "seeds"), [("", 10), ("seeds = 2", 2)])
def test_a_few_examples_are_drawn_ten_times_unless_the_suite_says_otherwise(
    said: str, seeds: int, tmp_path: Path, plugins: Plugins
) -> None:
    path = tmp_path / "shots.toml"
    path.write_text(said + SHOTS, encoding="utf-8")
    suite = load(str(path))
    assert len(cells(suite, plugins)) == seeds
    assert len(cells(suite, plugins, Filters(seeds=4))) == 4
    path.write_text((said + SHOTS).replace("shots = 8", ""), encoding="utf-8")
    assert len(cells(load(str(path)), plugins)) == (2 if said else 3)


def test_a_filter_may_ask_for_a_size(suite: Suite, plugins: Plugins) -> None:
    found = cells(suite, plugins, Filters(tasks=("toy-ner@12",), strategies=("frozen",), seeds=1))
    assert {(cell.task, cell.recipe.train, cell.recipe.batch_size) for cell in found} == {
        ("toy-ner@12", 12, 8)
    }


@pytest.mark.parametrize("size", ["0", "-5", "many", "1.5"])
def test_a_size_is_a_number_of_examples_or_all(size: str, suite: Suite, plugins: Plugins) -> None:
    with pytest.raises(BenchError, match="a size is a number of training examples, or all"):
        cells(suite, plugins, Filters(tasks=(f"toy-ner@{size}",)))


def test_sizes_are_a_list_of_different_ones(suite: Suite, plugins: Plugins) -> None:
    wrong = suite.model_copy(update={"tasks": {"toy-ner": {"sizes": [10, 10]}}})
    with pytest.raises(BenchError) as error:
        cells(wrong, plugins)
    assert error.value.code == "wrong-sizes"


def test_filters_choose(suite: Suite, plugins: Plugins) -> None:
    found = ids(suite, plugins, tasks=("toy-ner",), strategies=("frozen",), backbones=("glove",), seeds=1)
    assert found == ["toy-ner/frozen/glove/seed0"]


def test_a_filter_may_name_what_the_suite_lacks(suite: Suite, plugins: Plugins) -> None:
    found = ids(suite, plugins, tasks=("toy-qa",), strategies=("full",), backbones=("./mine",), seeds=1)
    assert found == ["toy-qa/full/.--mine/seed0"]


GRIDS = """
seeds = 1
[tasks.toy-sentiment]
[tasks.toy-ner]
[tasks.toy-qa]

[[grid]]
strategies = ["full", "lora"]
backbones = ["big"]
tasks = ["toy-sentiment", "toy-qa"]

[[grid]]
strategies = ["scratch"]
backbones = ["big"]
tasks = ["toy-sentiment"]

[[grid]]
strategies = ["full", "frozen"]
backbones = ["cased"]
tasks = ["toy-ner"]

[[grid]]
strategies = ["frozen"]
backbones = ["glove"]
"""
S, N, Q = ("toy-sentiment",), ("toy-ner",), ("toy-qa",)
NAMED: list[tuple[dict[str, tuple[str, ...]], str]] = [
    # what is in a grid of the task is cut
    ({"tasks": S, "strategies": ("full",)}, "S/full/big"),
    ({"strategies": ("scratch",)}, "S/scratch/big"),
    ({"backbones": ("cased",)}, "N/full/cased N/frozen/cased"),
    (
        {"strategies": ("full", "frozen"), "backbones": ("big", "glove")},
        "S/full/big Q/full/big S/frozen/glove N/frozen/glove Q/frozen/glove",
    ),
    # a name that no grid has joins the first grid of every task
    ({"strategies": ("bitfit",)}, "S/bitfit/big Q/bitfit/big N/bitfit/cased"),
    ({"backbones": ("new",)}, "S/full/new S/lora/new Q/full/new Q/lora/new N/full/new N/frozen/new"),
    # ... of the named tasks
    ({"tasks": (*S, *N), "backbones": ("new",)}, "S/full/new S/lora/new N/full/new N/frozen/new"),
    ({"tasks": N, "backbones": ("new",)}, "N/full/new N/frozen/new"),
    ({"tasks": N, "strategies": ("bitfit",)}, "N/bitfit/cased"),
    # a name that only grids of other tasks have is added to the named task
    ({"tasks": N, "strategies": ("scratch",)}, "N/scratch/cased"),
    ({"tasks": (*S, *N), "strategies": ("scratch",)}, "S/scratch/big N/scratch/cased"),
    ({"tasks": N, "backbones": ("big",)}, "N/full/big N/frozen/big"),
    (
        {"tasks": (*S, *N), "backbones": ("big",)},
        "S/full/big S/lora/big S/scratch/big N/full/big N/frozen/big",
    ),
    # two names whose grids differ
    ({"strategies": ("lora",), "backbones": ("glove",)}, "S/lora/glove N/lora/glove Q/lora/glove"),
    ({"tasks": Q, "strategies": ("lora",), "backbones": ("glove", "cased")}, "Q/lora/glove Q/lora/cased"),
    (
        {"tasks": Q, "strategies": ("full", "bitfit"), "backbones": ("big", "new")},
        "Q/full/big Q/bitfit/big Q/full/new Q/bitfit/new",
    ),
    ({"tasks": N, "strategies": ("full", "lora"), "backbones": ("cased",)}, "N/full/cased N/lora/cased"),
    # a task that the suite lacks gets every grid
    (
        {"tasks": ("toy-shifted",), "strategies": ("scratch", "frozen")},
        "toy-shifted/scratch/big toy-shifted/frozen/cased toy-shifted/frozen/glove",
    ),
]


@pytest.mark.parametrize(("named", "expected"), NAMED, ids=[str(number) for number in range(len(NAMED))])
def test_what_is_named_gets_cells(
    named: dict[str, tuple[str, ...]], expected: str, plugins: Plugins, tmp_path: Path
) -> None:
    path = tmp_path / "grids.toml"
    path.write_text(GRIDS, encoding="utf-8")
    short = {"S": S[0], "N": N[0], "Q": Q[0]}
    wanted = {
        f"{short.get(task, task)}/{rest}"
        for task, _, rest in (name.partition("/") for name in expected.split())
    }
    known = replace(plugins, tasks={**plugins.tasks, "toy-shifted": plugins.tasks["toy-sentiment"]})
    found = ids(load(str(path)), known, **named)
    assert {name.removesuffix("/seed0") for name in found} == wanted
    for kind, place in (("tasks", 0), ("strategies", 1), ("backbones", 2)):
        assert set(named.get(kind, ())) <= {name.split("/")[place] for name in found}


def test_a_task_in_no_grid_is_named(plugins: Plugins) -> None:
    grid = [{"strategies": ["full"], "backbones": ["minilm"], "tasks": ["toy-ner"]}]
    suite = validate(
        {"name": "mine", "seeds": 1, "tasks": {"toy-ner": {}, "toy-qa": {}}, "grid": grid}, "a test"
    )
    for tasks in ((), ("toy-qa",)):
        with pytest.raises(BenchError, match="task 'toy-qa' is in no grid") as error:
            ids(suite, plugins, tasks=tasks)
        assert error.value.code == "task-without-grid"
    assert ids(suite, plugins, tasks=("toy-ner",)) == ["toy-ner/full/minilm/seed0"]
    found = ids(suite, plugins, tasks=("toy-qa",), strategies=("frozen",), backbones=("x",))
    assert found == ["toy-qa/frozen/x/seed0"]


def test_a_grid_names_tasks_of_its_suite(plugins: Plugins) -> None:
    grid = [{"strategies": ["full"], "backbones": ["minilm"], "tasks": ["toy-nerr"]}]
    suite = validate({"name": "mine", "tasks": {"toy-ner": {}}, "grid": grid}, "a test")
    with pytest.raises(BenchError, match=r"in a grid of suite 'mine' 'toy-nerr': did you mean 'toy-ner'\?"):
        cells(suite, plugins)


def test_an_unknown_task_suggests_the_nearest(suite: Suite, plugins: Plugins) -> None:
    with pytest.raises(BenchError, match=r"unknown task 'toy-nerr': did you mean 'toy-ner'\?"):
        ids(suite, plugins, tasks=("toy-nerr",))


def test_an_unknown_strategy_suggests_the_nearest(suite: Suite, plugins: Plugins) -> None:
    with pytest.raises(BenchError, match=r"unknown strategy 'frozn': did you mean 'frozen'\?"):
        ids(suite, plugins, strategies=("frozn",))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seedz = 3", r"unknown key 'seedz': did you mean 'seeds'\?"),
        ("seeds = 0", r"key 'seeds': .*greater than or equal to 1.*got 0"),
        ('seeds = "three"', r"key 'seeds': .*integer.*got 'three'"),
        ("tasks = 3", r"key 'tasks': .*got 3"),
        ("grid = []", r"key 'grid': give one at least"),
        ('grid = [{strategies = ["full"]}]', r"key 'grid\.0\.backbones': it is missing"),
        (
            'grid = [{strategies = [], backbones = ["minilm"]}]',
            r"key 'grid\.0\.strategies': give one at least",
        ),
        (
            'grid = [{strategys = ["full"], strategies = ["full"], backbones = ["b"]}]',
            r".*did you mean 'strategies'",
        ),
        ("data = {locl = '/x'}", r"unknown key 'data\.locl': did you mean 'local'\?"),
    ],
)
def test_a_wrong_key_is_named(line: str, message: str, tmp_path: Path) -> None:
    keys = {
        "tasks": "tasks = {toy-ner = {}}",
        "grid": 'grid = [{strategies = ["full"], backbones = ["minilm"]}]',
    }
    keys[line.split(" = ")[0]] = line
    path = tmp_path / "wrong.toml"
    path.write_text("\n".join(keys.values()), encoding="utf-8")
    with pytest.raises(BenchError, match=rf"suite \S+wrong\.toml: {message}"):
        load(str(path))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("recipe.epoch=2", r"\[recipe\] of suite 'mine' 'epoch': did you mean 'epochs'\?"),
        ("tasks.toy-ner.batchsize=2", r"\[tasks\.toy-ner\] .*'batchsize': did you mean 'batch_size'\?"),
        ("recipe.epochs=soon", r"task 'toy-sentiment': epochs: .*number.*got 'soon'"),
        ("recipe.epochs=-1", r"recipe\.epochs is -1.*must be positive"),
        ("recipe.batch_size=2.5", r"batch_size: .*got 2\.5"),
        ("recipe.head=round", r"head: .*'linear' or 'bottleneck'.*got 'round'"),
        ("recipe.stride=128", r"recipe\.stride is 128"),
        (
            "strategies.top-layers.layer=1",
            r"option of strategy 'top-layers' 'layer': did you mean 'layers'\?",
        ),
        ("strategies.top-layers.layers=two", r"'top-layers': layers is 'two'"),
        ("strategies.top-layer.layers=2", r"unknown strategy 'top-layer': did you mean 'top-layers'\?"),
        ("seedz=2", r"unknown key 'seedz': did you mean 'seeds'\?"),
        ("epochs=2", r"unknown key 'epochs': did you mean 'recipe\.epochs'\?"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, message: str, path: Path, plugins: Plugins) -> None:
    with pytest.raises(BenchError, match=message):
        cells(load(str(path), [setting]), plugins)


@pytest.mark.parametrize("setting", ["recipe.epochs", "=2", "", "recipe..epochs=2", ".=2"])
def test_a_setting_without_key_or_value_says_how_to_write_it(setting: str, path: Path) -> None:
    with pytest.raises(BenchError) as error:
        load(str(path), [setting])
    assert error.value.code == "wrong-setting"


def test_a_setting_below_a_value_is_named(path: Path) -> None:
    with pytest.raises(BenchError) as error:
        load(str(path), ["seeds.x=2"])
    assert error.value.code == "wrong-setting"


def test_settings_are_read_as_toml_or_as_text(path: Path, plugins: Plugins) -> None:
    suite = load(str(path), ["recipe.epochs=0.5", "recipe.pooling=cls", "recipe.shift=true", "seeds=1"])
    recipe = cells(suite, plugins)[0].recipe
    assert (recipe.epochs, recipe.pooling, recipe.shift, suite.seeds) == (0.5, "cls", True, 1)


def test_a_recipe_setting_is_for_every_task(path: Path) -> None:
    suite = load(str(path), ["recipe.batch_size=4"])
    assert suite.task_recipe("toy-ner").batch_size == 4
    assert suite.task_recipe("toy-sentiment").batch_size == 4


def test_a_setting_of_one_task_is_for_that_task(path: Path) -> None:
    suite = load(str(path), ["recipe.batch_size=4", "tasks.toy-ner.batch_size=2"])
    assert suite.task_recipe("toy-ner").batch_size == 2
    assert suite.task_recipe("toy-sentiment").batch_size == 4


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BenchError, match=r"suite file absent\.toml: there is no such file"):
        load("absent.toml")


def test_an_unknown_suite_suggests_the_nearest() -> None:
    with pytest.raises(BenchError, match=r"unknown suite 'smoek': did you mean 'smoke'\? .*\.toml file"):
        load("smoek")


def test_a_folder_is_not_a_suite(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(BenchError, match=r"suite file \S+folder\.toml cannot be read"):
        load(str(tmp_path / "folder.toml"))


@pytest.mark.parametrize("content", [b"seeds = [", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(BenchError, match=r"suite file \S+broken\.toml"):
        load(str(path))


def test_plain_values_can_be_validated() -> None:
    grid = [{"strategies": ["full"], "backbones": ["minilm"]}]
    assert validate({"tasks": {"squad": {}}, "grid": grid}, "here").seeds == 3


# --------------------------------------------------------------------------------------------------
# Limits, and names that would be paths


def written(folder: Path, text: str) -> str:
    (folder / "mine.toml").write_text(text, encoding="utf-8")
    return str(folder / "mine.toml")


GRID = '[tasks.toy-ner]\n[[grid]]\nstrategies = ["full"]\nbackbones = ["minilm"]\n'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (f"seeds = {'9' * 5000}\n{GRID}", "not-toml"),
        (f"seeds = {'[' * 3000}{']' * 3000}\n{GRID}", "not-toml"),
        (f'name = "../../evil"\n{GRID}', "unsafe-name"),
        (f'name = "/tmp/evil"\n{GRID}', "unsafe-name"),
        (f'name = "{"x" * 300}"\n{GRID}', "unsafe-name"),
    ],
    ids=["digits", "nested", "up", "absolute", "long"],
)
def test_a_suite_file_that_goes_too_far_is_one_line(text: str, code: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        load(written(tmp_path, text))
    assert error.value.code == code
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 3000 + "]" * 3000])
def test_a_setting_that_goes_too_far_is_one_line(value: str) -> None:
    with pytest.raises(BenchError) as error:
        load("quick", [f"recipe.epochs={value}"])
    assert error.value.code == "wrong-setting"


def test_a_suite_whose_tasks_are_no_table_is_refused_with_data_too(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="key 'tasks'"):
        load(written(tmp_path, "tasks = 3\n" + GRID.partition("\n")[2]), (), {"mine": {}})


@pytest.mark.parametrize("seeds", [1001, 10**8])
def test_seeds_have_an_upper_bound(seeds: int, suite: Suite, plugins: Plugins, tmp_path: Path) -> None:
    with pytest.raises(BenchError) as error:
        cells(suite, plugins, Filters(seeds=seeds))
    assert error.value.code == "too-many-seeds"
    with pytest.raises(BenchError, match="1000"):
        load(written(tmp_path, f"seeds = {seeds}\n{GRID}"))


def test_a_grid_has_an_upper_bound(suite: Suite, plugins: Plugins) -> None:
    sizes = {"toy-ner": {"sizes": list(range(1, 202))}}
    wide = suite.model_copy(update={"tasks": sizes, "seeds": 500})
    with pytest.raises(BenchError) as error:
        cells(wide, plugins)
    assert error.value.code == "too-many-cells"


@pytest.mark.parametrize("size", ["9" * 5000, "10000000001", "²", "1_000"])
def test_a_size_of_thousands_of_digits_is_one_line(size: str, suite: Suite, plugins: Plugins) -> None:
    with pytest.raises(BenchError) as error:
        cells(suite, plugins, Filters(tasks=(f"toy-ner@{size}",)))
    assert error.value.code == "wrong-size"


@pytest.mark.parametrize("pair", [("a/b.txt", "a--b.txt"), ("a:b.txt", "a-b.txt"), ("/a.txt", "a.txt")])
def test_two_backbones_with_one_cell_id_are_refused_by_name(
    pair: tuple[str, str], suite: Suite, plugins: Plugins
) -> None:
    with pytest.raises(BenchError) as error:
        cells(suite, plugins, Filters(backbones=pair))
    assert error.value.code == "duplicate-cell"
    assert all(f"'{name}'" in str(error.value) for name in pair)


@pytest.mark.parametrize("backbone", ["..", "x" * 300, "a\nb"])
def test_a_backbone_whose_cells_cannot_be_files_is_refused(
    backbone: str, suite: Suite, plugins: Plugins
) -> None:
    with pytest.raises(BenchError) as error:
        cells(suite, plugins, Filters(backbones=(backbone,)))
    assert error.value.code == "unsafe-name"


@pytest.mark.parametrize("recipe", ["epochs = 1e308", "batch_size = 100000000", f"train = 1{'0' * 4000}"])
def test_a_recipe_has_upper_bounds(recipe: str, tmp_path: Path) -> None:
    chosen = load(written(tmp_path, f"[recipe]\n{recipe}\n{GRID}"))
    with pytest.raises(BenchError, match="at most"):
        chosen.task_recipe("toy-ner")


def test_a_size_may_be_a_number_of_rows_a_class(suite: Suite, plugins: Plugins) -> None:
    found = cells(suite, plugins, Filters(tasks=("toy-sentiment@8shots",), strategies=("frozen",), seeds=2))
    assert {(cell.task, cell.recipe.shots, cell.recipe.train) for cell in found} == {
        ("toy-sentiment@8shots", 8, None)
    }
    assert [cell.draw for cell in found] == [0, 1]


def test_the_suite_of_few_examples_draws_ten_times(plugins: Plugins) -> None:
    found = cells(load("few-shot"), plugins)
    assert {cell.recipe.shots for cell in found} == {8, 16, 64}
    assert {cell.draw for cell in found} == set(range(10))
    assert {"frozen", "probe", "top-layers", "full", "lp-ft", "lora", "setfit"} == {
        cell.strategy for cell in found
    }


def test_unlabelled_text_lies_beside_the_suite_and_a_setting_in_the_current_folder(
    tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = tmp_path / "suites" / "own.toml"
    suite.parent.mkdir()
    suite.write_text(
        "[recipe]\nunlabelled = 'all.txt'\n[tasks.movie-sentiment]\n[tasks.reuters-r8]\n"
        "unlabelled = '/data/news.txt'\n[[grid]]\nstrategies = ['tapt']\nbackbones = ['minilm']\n"
    )
    monkeypatch.chdir(tmp_path)
    found = load(str(suite))
    assert found.task_recipe("movie-sentiment").unlabelled == str(suite.parent / "all.txt")
    assert found.task_recipe("reuters-r8").unlabelled == "/data/news.txt"
    setting = load(str(suite), ["recipe.unlabelled=mine.txt"])
    assert setting.task_recipe("reuters-r8").unlabelled == str(tmp_path / "mine.txt")
