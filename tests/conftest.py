"""What all tests share: a tiny random encoder on disk, toy tasks, a context to run cells in, and the device."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from bench.contracts import Cell, Recipe
from bench.registry import Plugins, Registry, discover
from tests.support.toy_tasks import WORDS

os.environ.setdefault("OMP_NUM_THREADS", "1")  # on tiny tensors, threads only wait for one another
# in a background job SIGINT is ignored, and what tests start would inherit that
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device", default="cpu", help="Where tests that take a device run; with cuda: -m gpu selects them."
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: worth running on a GPU too: pytest --device cuda -m gpu")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `-m gpu`, files without such a test are not imported: a machine with a GPU may lack what they need."""
    if config.getoption("markexpr") != "gpu" or not collection_path.name.startswith("test_"):
        return None
    return None if collection_path.is_dir() or "mark.gpu" in collection_path.read_text("utf-8") else True


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Any:
    """The bench.engine.machine.Device of --device, as the program chooses it; on a CPU in fp32."""
    import torch

    from bench.engine.machine import Device, choose_device

    name = request.config.getoption("--device")
    return Device(torch.device("cpu"), torch.float32) if name == "cpu" else choose_device(name)


def word_piece_tokenizer(words: Sequence[str] = WORDS) -> Any:
    """A fast BERT-style tokenizer that knows these words, and every other one letter by letter."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    entries = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"?.,!'-",
        *letters,
        *(f"##{c}" for c in letters),
    ]
    vocabulary = {entry: number for number, entry in enumerate(dict.fromkeys([*entries, *words]))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", **names)


def save_tiny_encoder(
    folder: Path, positions: int = 64, words: Sequence[str] = WORDS, layers: int = 4
) -> Path:
    """Write a random BERT of width 32, and its tokenizer, to a folder."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = word_piece_tokenizer(words)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=positions,
        initializer_range=0.1,  # of width 32: large enough that every layer changes what it is given
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def measured_once() -> Iterator[None]:
    """Runs in this process that have a cache each share one measurement of the machine, and so one choice of
    attention; `tests/engine/test_speeds.py` measures anew."""
    from bench.engine.speeds import Speeds

    with pytest.MonkeyPatch.context() as patch:
        for name in ("_time_gemm", "_time_attention"):
            patch.setattr(Speeds, name, _once(getattr(Speeds, name)))
        yield


def _once(measure: Callable[..., float]) -> Callable[..., float]:
    known: dict[tuple[object, ...], float] = {}

    @wraps(measure)
    def measured(speeds: Any, *arguments: object) -> float:
        key = (speeds._path.name, *arguments)
        if key not in known:
            known[key] = measure(speeds, *arguments)
        return known[key]

    return measured


@pytest.fixture(scope="session")
def tiny_encoder(measured_once: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT of 4 layers and width 32, and its tokenizer."""
    return save_tiny_encoder(tmp_path_factory.mktemp("encoders") / "tiny-bert")


@pytest.fixture
def warm_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that the program starts share one import of the large libraries (tests/support/warm.py)."""
    from tests.support import warm

    monkeypatch.setattr(sys, "executable", warm.python())


@pytest.fixture(scope="session")
def toy_plugin() -> Path:
    """A plug-in file with the tasks `toy-sentiment`, `toy-ner` and `toy-qa`."""
    return Path(__file__).parent / "support" / "toy_tasks.py"


@pytest.fixture(scope="session")
def plugins(toy_plugin: Path) -> Plugins:
    """Everything that the project has, and the toy tasks."""
    return discover([toy_plugin])


@pytest.fixture(scope="session")
def toy_recipe() -> Recipe:
    return Recipe(epochs=2, batch_size=8, max_length=32, stride=8)


@pytest.fixture(scope="session")
def toy_cell(tiny_encoder: Path, toy_recipe: Recipe) -> Callable[..., Cell]:
    """`toy_cell(strategy, task=..., seed=..., recipe=..., options=...)`: a cell on the tiny encoder."""

    def make(strategy: str = "full", task: str = "toy-sentiment", seed: int = 0, **changes: Any) -> Cell:
        fields = {"backbone": str(tiny_encoder), "recipe": toy_recipe, **changes}
        return Cell("toy", task, strategy, seed=seed, **fields)

    return make


@pytest.fixture(scope="session")
def toy_context(plugins: Plugins, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A `bench.engine.group.RunContext` on the CPU in fp32, with an empty cache and no network."""
    import torch

    from bench.data.sources import Sources
    from bench.engine.group import RunContext
    from bench.engine.machine import Device

    sources = Sources(cache=tmp_path_factory.mktemp("cache"))
    return RunContext(Registry(plugins, sources), Device(torch.device("cpu"), torch.float32))
