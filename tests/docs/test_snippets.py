"""Every block of the documents that is marked as runnable runs, top to bottom, in one folder a page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, Page, pages, read
from tests.support.tiny_world import TinyWorld

RUNNABLE = [page for page in pages() if any(block.runs for block in page.blocks)]
GIVEN = ("examples/reviews.csv", "examples/haiku.csv")
"""Files that a reader is told to have."""
RECORDED = ("results/baselines/quick.jsonl", "results/history.jsonl")
LANGUAGES = ("bash", "python", "toml")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    return TinyWorld.build(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("page", RUNNABLE, ids=[page.name for page in RUNNABLE])
def test_its_runnable_blocks_run(page: Page, world: TinyWorld, tmp_path: Path) -> None:
    reader(tmp_path)
    for block in page.blocks:
        if block.runs:
            run(block, world, tmp_path)


def reader(folder: Path) -> None:
    """A folder as a reader has it."""
    for name in GIVEN:
        shutil.copyfile(ROOT / name, folder / Path(name).name)
    for name in RECORDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)


def run(block: Block, world: TinyWorld, folder: Path) -> None:
    """Write the file that a block is, or run it."""
    where = f"{block.page}, line {block.line}"
    assert block.language in LANGUAGES, f"{where}: a runnable block is {', '.join(LANGUAGES)}"
    if block.file:
        (folder / block.file).write_text(block.text, encoding="utf-8")
        return
    assert block.language != "toml", f"{where}: a runnable TOML block begins with the name of its file"
    if block.language == "bash":
        done = world.finish(["bash", "-euo", "pipefail", "-c", block.text], folder)
    else:
        script = folder / "snippet.py"
        script.write_text(block.text, encoding="utf-8")
        done = world.finish(["python", str(script)], folder)
    assert done.returncode == 0, f"{where}:\n{block.text}\n{done.stdout}"


def test_a_block_that_fails_is_found(world: TinyWorld, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("<!-- run -->\n```bash\npython -m bench tabel quick\n```\n")
    (block,) = read(path).blocks
    with pytest.raises(AssertionError, match="No such command 'tabel'"):
        run(block, world, tmp_path)


def test_a_file_in_two_documents_is_one_file() -> None:
    """The plug-ins of the documents are those in `examples/`, but for the first and blank lines."""
    named = [block for page in pages() for block in page.blocks if block.file.endswith(".py")]
    assert {block.file for block in named} == {"middle_out.py", "haiku.py"}
    for block in named:
        kept = (ROOT / "examples" / block.file).read_text(encoding="utf-8").splitlines()
        assert [line for line in block.text.splitlines()[1:] if line] == [line for line in kept[1:] if line]
