"""How packages, the hub and the cache are asked: whole commands, what counts as an answer, bounds on both sides."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.contracts import BenchError
from bench.data import cache, hub
from bench.data.cache import default_cache, megabytes, sha256_of, work_folder
from bench.data.formats import question_example, read_mentions, read_ratings
from bench.data.packages import archives, members, progress, registries
from bench.data.packages.members import cached_members
from bench.data.packages.progress import run_watched
from bench.data.packages.registries import Package, archive_of
from bench.data.squad_layout import articles_of, is_squad, questions_of
from tests.support.packaging import provided

WHEEL = Package("pip", "made-up", "1.0", "ab" * 32, 12_345_678, "wheel")
SDIST = Package("pip", "made-up", "1.0", "ab" * 32, 5, "sdist")
TARBALL = Package("npm", "made-up", "1.0", "ab" * 32, 5, "tarball")

# --------------------------------------------------------------------------------------------------
# Registries


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What programs are started with, in place of starting them."""
    found: list[tuple[Any, ...]] = []

    def noted(*given: Any) -> tuple[int, str]:
        found.append(given)
        return 0, ""

    monkeypatch.setattr(registries, "run_watched", noted)
    return found


@pytest.mark.parametrize(
    ("package", "form"), [(WHEEL, ["--only-binary", ":all:"]), (SDIST, ["--no-binary", "made-up"])]
)
def test_pip_fetches_one_archive_with_its_digest(
    package: Package, form: list[str], asked: list[tuple[Any, ...]], tmp_path: Path
) -> None:
    registries._pip(package, tmp_path)
    ((command, folder, environment, label, size),) = asked
    pins = tmp_path / "pins.txt"
    assert pins.read_text() == f"made-up==1.0 --hash=sha256:{'ab' * 32}\n"
    expected = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--retries",
        "2",
    ]
    expected += [*form, "--require-hashes", "-r", str(pins), "-d", str(tmp_path / "got")]
    assert command == expected
    assert (folder, label, size) == (tmp_path, "made-up 1.0", package.size)
    assert {environment[name] for name in ("TMPDIR", "TEMP", "TMP")} == {str(tmp_path / "scratch")}
    assert (tmp_path / "scratch").is_dir()
    assert environment["PIP_DISABLE_PIP_VERSION_CHECK"] == "1"
    assert environment["PATH"] == os.environ["PATH"]


def test_npm_packs_one_archive_and_runs_no_script(
    asked: list[tuple[Any, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries.shutil, "which", lambda name: f"/there/{name}")
    registries._npm(TARBALL, tmp_path)
    ((command, *_),) = asked
    assert command[:5] == ["/there/npm", "pack", "made-up@1.0", "--pack-destination", str(tmp_path / "got")]
    assert command[5:9] == ["--cache", str(tmp_path / "scratch"), "--ignore-scripts", "--loglevel"]
    assert command[10:] == [
        "--fetch-retries",
        "1",
        "--fetch-retry-mintimeout",
        "500",
        "--fetch-retry-maxtimeout",
        "2000",
    ]
    assert (tmp_path / "got").is_dir()


@pytest.mark.parametrize(
    ("status", "files", "code"),
    [
        (0, {"a.whl": b"right"}, ""),
        (1, {"a.whl": b"right"}, "cannot-download"),
        (0, {}, "cannot-download"),
        (0, {"a.whl": b"right", "b.whl": b"right"}, "cannot-download"),
        (0, {"a.whl": b"wrong"}, "wrong-digest"),
    ],
)
def test_a_download_is_one_file_with_the_pinned_digest(
    status: int, files: dict[str, bytes], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(_: Package, folder: Path) -> tuple[int, str]:
        (folder / "got" / "deeper").mkdir(parents=True)
        for name, content in files.items():
            (folder / "got" / name).write_bytes(content)
        return status, "ERROR: no luck\n"

    for name in ("_pip", "_npm"):
        monkeypatch.setattr(registries, name, download)
    package = Package("pip", "made-up", "1.0", hashlib.sha256(b"right").hexdigest(), 5, "wheel")
    if not code:
        with archive_of(package, tmp_path) as archive:
            assert archive.read_bytes() == b"right"
        assert not archive.exists()
        return
    with pytest.raises(BenchError) as error, archive_of(package, tmp_path):
        pass
    assert error.value.code == code
    assert code == "wrong-digest" or "with pip: ERROR: no luck;" in str(error.value)


def test_each_registry_has_its_own_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_pip", "_npm"):
        monkeypatch.setattr(registries, name, lambda package, folder, name=name: (1, f"error: by {name}"))
    for package, program in ((WHEEL, "_pip"), (TARBALL, "_npm")):
        with pytest.raises(BenchError, match=f"by {program}"), archive_of(package, tmp_path):
            pass


PUT = "or put its wheel into "


@pytest.mark.parametrize(
    ("output", "said", "remedy"),
    [
        ("x DO NOT MATCH THE HASHES y", "does not have the pinned SHA-256 abababababab…", "mirror pip asks"),
        ("No module named pip", "this Python has no pip", "-m ensurepip"),
        ("connection broken by", "(12 MB) with pip: the registry does not answer", PUT),
        ("npm ERR! ENOTFOUND", "(12 MB) with pip: the registry does not answer", PUT),
        ("ECONNREFUSED", "(12 MB) with pip: the registry does not answer", PUT),
        ("note\nERROR: first\nERROR: second", "(12 MB) with pip: ERROR: first;", PUT),
        ("npm err! third", "(12 MB) with pip: npm err! third;", PUT),
        ("nothing known", "(12 MB) with pip: it gave no reason", PUT),
    ],
)
def test_the_reason_of_a_failure_is_in_its_line(output: str, said: str, remedy: str, tmp_path: Path) -> None:
    text = registries._failure(WHEEL, tmp_path, output)
    assert said in text
    assert "\n" not in text
    assert remedy in text


def test_a_copy_that_somebody_put_there_is_known_by_size_and_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archives"
    assert registries._own_copy(WHEEL, folder) is None
    (folder / "sub").mkdir(parents=True)
    for name, content in (("a", b"longer"), ("b", b"other"), ("c", b"right")):
        (folder / name).write_bytes(content)
    package = Package("pip", "x", "1", hashlib.sha256(b"right").hexdigest(), 5, "wheel")
    hashed: list[str] = []
    monkeypatch.setattr(registries, "sha256_of", lambda path: hashed.append(path.name) or sha256_of(path))
    assert registries._own_copy(package, folder) == folder / "c"
    assert hashed == ["b", "c"]


# --------------------------------------------------------------------------------------------------
# Programs that download


SCRIPT = """
import sys
open("part", "wb").write(b"x" * 30)
print("said")
print("wrong", file=sys.stderr)
sys.exit(3)
"""


@pytest.mark.parametrize("terminal", [False, True])
def test_a_program_is_watched_to_its_end(
    terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    status, output = run_watched(
        [sys.executable, "-S", "-c", SCRIPT], tmp_path, os.environ, "made-up 1.0", 2_500_000
    )
    assert status == 3
    assert sorted(output.split()) == ["said", "wrong"]
    assert (tmp_path / "part").stat().st_size == 30
    shown, told = capsys.readouterr()
    assert shown == "", "a program may read it"
    assert (told == "downloading made-up 1.0 (2.5 MB)\n") is not terminal
    assert progress._largest_file(tmp_path) == 30
    assert progress._largest_file(tmp_path / "none") == 0


def test_a_program_ends_with_what_watches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    def interrupted(process: Any, *_: Any) -> None:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(progress, "_watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_watched([sys.executable, "-S", "-c", "import time; time.sleep(60)"], tmp_path, os.environ, "x", 1)
    assert started[0].returncode is not None
    assert started[0].returncode < 0


# --------------------------------------------------------------------------------------------------
# Members


@pytest.mark.parametrize(("size", "refused"), [(10, False), (11, True)])
def test_a_member_may_be_as_large_as_the_limit(
    size: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 10)
    for action in (
        lambda: archives._admit("m", size, False),
        lambda: archives._copy("m", io.BytesIO(bytes(size)), io.BytesIO()),
    ):
        if refused:
            with pytest.raises(BenchError) as error:
                action()
            assert error.value.code == "too-large-member"
        else:
            action()


@pytest.mark.parametrize(("large", "told"), [(-1, True), (10**9, False)])
def test_reading_a_large_archive_is_announced(
    large: int,
    told: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    package = provided(tmp_path, {"p/a.txt": b"a", "p/b.txt": b"b"}, members=("p/a.txt",))
    monkeypatch.setattr(members, "LARGE", large)
    assert not members.are_cached(package, ["p/a.txt"], tmp_path)
    cached_members(package, ["p/b.txt"], tmp_path)
    assert capsys.readouterr().err == ("reading 2 files out of made-up 1.0 ...\n" if told else "")
    assert members.are_cached(package, ["p/a.txt", "p/b.txt"], tmp_path)
    assert not members.are_cached(package, ["p/c.txt"], tmp_path)


# --------------------------------------------------------------------------------------------------
# The cache folder


def test_sizes_for_people() -> None:
    assert [megabytes(size) for size in (10_000_000, 9_900_000, 2_451_781, 0)] == [
        "10 MB",
        "9.9 MB",
        "2.5 MB",
        "0.0 MB",
    ]


def test_leftovers_of_killed_processes_go_after_a_day(tmp_path: Path) -> None:
    now = time.time()
    for name, age in (("old", cache.ABANDONED + 60), ("new", cache.ABANDONED - 60)):
        (tmp_path / "work" / name).mkdir(parents=True)
        os.utime(tmp_path / "work" / name, (now - age, now - age))
    with work_folder(tmp_path) as own:
        assert own.parent == tmp_path / "work"
        assert {path.name for path in own.parent.iterdir()} == {"new", own.name}
    assert not own.exists()
    assert cache.ABANDONED == 24 * 60 * 60


def test_the_cache_is_where_the_user_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cache.CACHE_VARIABLE, "~/somewhere")
    assert default_cache() == Path.home() / "somewhere"
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    assert default_cache().name == "transferbench"


# --------------------------------------------------------------------------------------------------
# The hub


@pytest.fixture
def server() -> Iterator[Any]:
    """A server on this machine that answers with `server.status`."""

    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(found.status)  # type: ignore[attr-defined]
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    found = HTTPServer(("127.0.0.1", 0), Answer)
    found.status = 200  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("status", "answers"), [(200, True), (404, True), (499, True), (500, False), (503, False)]
)
def test_a_refusal_is_an_answer_and_a_broken_server_is_none(
    status: int, answers: bool, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.status = status
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    assert hub.hub_answers() is answers
    monkeypatch.setenv("HF_HUB_OFFLINE", "yes")
    assert not hub.hub_answers()


def test_nothing_else_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    for address in ("http://127.0.0.1:9", "nonsense", "http://[bad"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        assert not hub.hub_answers()


def test_the_names_of_classes_are_those_of_rows_or_of_tokens() -> None:
    features = {
        "text": SimpleNamespace(),
        "label": SimpleNamespace(names=["n", "p"]),
        "tags": SimpleNamespace(feature=SimpleNamespace(names=["O", "B-X"])),
    }
    assert hub._names(features) == {"label": ["n", "p"], "tags": ["O", "B-X"]}


# --------------------------------------------------------------------------------------------------
# Formats


def test_a_mention_starts_after_the_one_before_it_and_may_end_the_sentence(tmp_path: Path) -> None:
    line = '{"input": [{"content": "Ann Lee met Ann Lee"}], "ideal": "[Ann Lee - PERSON, Lee - LOCATION]"}\n'
    (tmp_path / "a").write_text(line)
    (found,) = read_mentions(tmp_path / "a", "f")
    assert found.tags == ("B-PER", "I-PER", "O", "O", "B-LOC")


def test_a_rating_of_minus_zero_is_left_out_and_the_smallest_count(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1\t-0.0\tso\n2\t-0.01\tbad\n3\t0.01\tgood")
    assert [(row.id, row.label, row.group) for row in read_ratings(tmp_path / "a", "p")] == [
        ("p-2", "negative", ""),
        ("p-3", "positive", ""),
    ]


@pytest.mark.parametrize(("start", "place"), [(0, 0), (3, 0), (4, 6), (5, 6), (99, 12)])
def test_an_answer_lies_at_its_nearest_place(start: int, place: int) -> None:
    assert question_example("q", "T", "?", "Ann   Ann   Ann", [("Ann", start)]).answers == (("Ann", place),)


def test_layouts_of_squad() -> None:
    paragraph = {"context": "c", "qas": [{"question": "q", "answers": [{"text": "c", "answer_start": "0"}]}]}
    for value in ({"data": [{"paragraphs": [paragraph]}]}, [{"paragraphs": [paragraph]}], [paragraph]):
        assert is_squad(value)
        ((article, found, question),) = questions_of(articles_of(value))
        assert (article.title, found.context, question.question) == ("", "c", "q")
        assert [(answer.text, answer.answer_start) for answer in question.answers] == [("c", 0)]
    assert not any(is_squad(value) for value in ({"data": [1]}, [{"text": "t"}], {"data": None}, "x", []))
