"""Members of packages: downloaded once, verified each time, mended when damaged."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.data.packages import manifest, members
from bench.data.packages import registries as registry
from bench.data.packages.members import cached_members
from bench.data.packages.pinned import VADER
from bench.data.packages.registries import Package
from tests.support.packaging import provided, tar_bytes

FILES = {"p/a.txt": b"aaaa", "p/b.txt": b"bbbb"}


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_members_are_read_from_an_archive_that_the_user_put_there(tmp_path: Path) -> None:
    package = provided(tmp_path, FILES)
    paths = cached_members(package, list(FILES), tmp_path)
    assert {name: path.read_bytes() for name, path in paths.items()} == FILES


def test_the_archive_is_not_needed_again_and_declared_members_come_together(tmp_path: Path) -> None:
    package = provided(tmp_path, FILES, members=tuple(FILES))
    cached_members(package, ["p/a.txt"], tmp_path)
    shutil.rmtree(tmp_path / "archives")
    assert cached_members(package, ["p/b.txt"], tmp_path)["p/b.txt"].read_bytes() == b"bbbb"


def test_a_later_extraction_keeps_earlier_members(tmp_path: Path) -> None:
    package = provided(tmp_path, FILES)
    first = cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"]
    cached_members(package, ["p/b.txt"], tmp_path)
    assert first.read_bytes() == b"aaaa"


def test_a_member_of_an_archive_in_the_archive_is_kept(tmp_path: Path) -> None:
    name = "p/inner.tar.gz!d/rows.txt"
    package = provided(tmp_path, {"p/inner.tar.gz": tar_bytes({"d/rows.txt": b"rows"})}, (name,))
    for _ in range(2):
        assert cached_members(package, [name], tmp_path)[name].read_bytes() == b"rows"
        shutil.rmtree(tmp_path / "archives", ignore_errors=True)


@pytest.mark.parametrize("damage", [b"aaab", b"a", b""])
def test_a_damaged_member_is_noticed_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: bytes
) -> None:
    package = provided(tmp_path, FILES)
    path = cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"]
    path.write_bytes(damage)
    os.utime(path, ns=(1, 1))
    assert cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"].read_bytes() == b"aaaa"
    assert (
        capsys.readouterr().err == "the cached copy of made-up 1.0 is damaged (p/a.txt): reading it again\n"
    )


@pytest.mark.parametrize("content", [None, "", "[]", "{"], ids=["none", "empty", "a list", "cut short"])
def test_a_folder_without_a_sound_manifest_is_read_again(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = provided(tmp_path, FILES)
    path = cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"]
    listed = path.parents[1] / manifest.MANIFEST
    listed.unlink() if content is None else listed.write_text(content)
    assert cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"].read_bytes() == b"aaaa"
    assert "is damaged (manifest.json): reading it again" in capsys.readouterr().err
    assert manifest.noted(path.parents[1]) == ["p/a.txt"]


def test_a_copied_cache_is_verified_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = provided(tmp_path, FILES)
    path = cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"]
    os.utime(path, ns=(1, 1))
    shutil.rmtree(tmp_path / "archives")
    assert cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"] == path
    assert capsys.readouterr().err == ""


def flipped(path: Path) -> None:
    """One bit of the file, whose size and time stay."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_flipped_bit_is_noticed_though_size_and_time_are_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = provided(tmp_path, FILES)
    path = cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"]
    whole = path.read_bytes()
    flipped(path)
    monkeypatch.setattr(manifest, "_VERIFIED", set())  # as in a new process
    assert cached_members(package, ["p/a.txt"], tmp_path)["p/a.txt"].read_bytes() == whole
    assert "is damaged (p/a.txt): reading it again" in capsys.readouterr().err


def test_a_process_reads_a_file_once_to_verify_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = provided(tmp_path, FILES)
    cached_members(package, ["p/a.txt"], tmp_path)
    monkeypatch.setattr(manifest, "_VERIFIED", set())
    hashed: list[Path] = []
    sha256_of = manifest.sha256_of
    monkeypatch.setattr(manifest, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    assert members.are_cached(package, ["p/a.txt"], tmp_path)
    assert hashed == []
    for _ in range(3):
        cached_members(package, ["p/a.txt"], tmp_path)
    assert len(hashed) == 1


def test_an_interrupted_extraction_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = provided(tmp_path, FILES)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(members, "seal", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cached_members(package, ["p/a.txt"], tmp_path)
    assert files_below(tmp_path) == [tmp_path / "archives" / "made_up-1.0.whl"]


def test_processes_that_want_the_same_package_download_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = provided(tmp_path, FILES)
    extracted: list[str] = []
    extract = members.extract
    monkeypatch.setattr(members, "extract", lambda *given: extracted.append("once") or extract(*given))
    threads = [
        threading.Thread(target=cached_members, args=(package, ["p/a.txt"], tmp_path)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert extracted == ["once"]


def fake_download(content: bytes):
    def download(_: Package, folder: Path) -> tuple[int, str]:
        (folder / "got").mkdir()
        (folder / "got" / "made_up-1.0.whl").write_bytes(content)
        return 0, ""

    return download


def test_a_wrong_digest_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = replace(provided(tmp_path, FILES), sha256="0" * 64)
    monkeypatch.setattr(registry, "_pip", fake_download((tmp_path / "archives/made_up-1.0.whl").read_bytes()))
    with pytest.raises(BenchError) as error:
        cached_members(package, ["p/a.txt"], tmp_path)
    assert error.value.code == "wrong-digest"
    assert files_below(tmp_path) == [tmp_path / "archives" / "made_up-1.0.whl"]


def test_a_missing_npm_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    package = Package("npm", "made-up", "1.0", "0" * 64, 10, "tarball")
    with pytest.raises(BenchError) as error:
        cached_members(package, ["package/x"], tmp_path)
    assert error.value.code == "no-npm"


@pytest.mark.parametrize("kind", ["pip", "npm"])
def test_a_registry_that_cannot_be_reached_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "npm" and not shutil.which("npm"):
        pytest.skip("npm is not installed")
    for name in ("PIP_INDEX_URL", "NPM_CONFIG_REGISTRY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    package = Package(kind, "made-up", "1.0", "0" * 64, 10, "wheel")  # type: ignore[arg-type]
    with pytest.raises(BenchError) as caught:
        cached_members(package, ["x"], tmp_path)
    assert caught.value.code == "cannot-download"
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "archives") in str(caught.value)
    assert files_below(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    package = provided(tmp_path, FILES)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(BenchError, match="TRANSFERBENCH_CACHE"):
            cached_members(package, ["p/a.txt"], tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_cache_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.write_text("")
    with pytest.raises(BenchError, match="TRANSFERBENCH_CACHE") as error:
        cached_members(Package("pip", "made-up", "1.0", "0" * 64, 10, "wheel"), ["x"], cache)
    assert error.value.code == "cannot-use-cache"


@pytest.mark.network
def test_a_real_sdist_is_downloaded_with_a_notice_and_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        paths = cached_members(VADER, VADER.members, tmp_path)
    except BenchError as error:
        pytest.skip(f"no registry: {error}")
    assert capsys.readouterr().err == "downloading vaderSentiment 2.5 (2.5 MB)\n"
    assert sum(path.stat().st_size for path in paths.values()) == 2_753_770
    kept = {path.name for path in files_below(tmp_path)}
    assert kept == {path.name for path in paths.values()} | {"manifest.json"}


def test_notices_go_to_whoever_listens(capsys: pytest.CaptureFixture[str]) -> None:
    from bench.data.cache import notice, notices_to

    heard: list[str] = []
    with notices_to(heard.append):
        notice("downloading")
    notice("done")
    assert heard == ["downloading"]
    assert capsys.readouterr().err == "done\n"
