"""Archives are not trusted: what is read from them stays in its folder and within its size."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.data.packages import archives
from bench.data.packages.archives import extract
from tests.support.packaging import make_zip, tar_bytes


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../outside", "a/../../outside", "a\\..\\b", "C:/x", "a!../b", "", "."]
)
def test_a_member_whose_path_leaves_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "a.whl", {"fine": b"1"})
    with pytest.raises(BenchError) as error:
        extract(archive, [name], tmp_path / "into")
    assert error.value.code == "unsafe-member"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_tar_member_that_is_no_regular_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as opened:
        info = tarfile.TarInfo("data/rows")
        info.type, info.linkname = kind, "/etc/passwd"
        opened.addfile(info)
    with pytest.raises(BenchError) as error:
        extract(archive, ["data/rows"], tmp_path / "into")
    assert error.value.code == "unsafe-member"
    assert not (tmp_path / "into").exists()


def test_a_symlink_in_a_wheel_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.whl"
    with zipfile.ZipFile(archive, "w") as opened:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(info, "/etc/passwd")
    with pytest.raises(BenchError) as error:
        extract(archive, ["link"], tmp_path)
    assert error.value.code == "unsafe-member"


def test_an_oversized_member_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 10)
    archive = make_zip(tmp_path / "a.whl", {"bomb": bytes(1000)})
    with pytest.raises(BenchError, match="1000 bytes are over 10") as error:
        extract(archive, ["bomb"], tmp_path)
    assert error.value.code == "too-large-member"


def test_a_member_that_unpacks_to_more_than_its_header_says_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 10)
    with pytest.raises(BenchError, match="unpacks to over 10 bytes") as error:
        archives._copy("bomb", io.BytesIO(bytes(100)), io.BytesIO())
    assert error.value.code == "too-large-member"


def test_only_the_named_members_are_written(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar_bytes({"p/setup.py": b"evil", "p/rows.txt": b"rows", "p/more.txt": b"more"}))
    paths = extract(archive, ["p/rows.txt"], tmp_path / "into")
    assert paths["p/rows.txt"].read_bytes() == b"rows"
    assert [path.name for path in (tmp_path / "into").rglob("*") if path.is_file()] == ["rows.txt"]


def test_a_member_of_an_archive_inside_the_archive_is_found(tmp_path: Path) -> None:
    inner = tar_bytes({"d/rows.txt": b"rows", "d/more.txt": b"more"})
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar_bytes({"p/inner.tar.gz": inner}))
    names = ["p/inner.tar.gz!d/rows.txt", "p/inner.tar.gz!d/more.txt"]
    (tmp_path / "into").mkdir()
    paths = extract(archive, names, tmp_path / "into")
    assert [paths[name].read_bytes() for name in names] == [b"rows", b"more"]


def test_a_member_has_at_most_512_mebibytes() -> None:
    archives._admit("model", 536_870_912, False)
    with pytest.raises(BenchError) as error:
        archives._admit("model", 536_870_913, False)
    assert error.value.code == "too-large-member"


def test_a_missing_member_is_named(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.whl", {"other": b""})
    with pytest.raises(BenchError) as error:
        extract(archive, ["rows"], tmp_path)
    assert error.value.code == "no-member"


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(tar_bytes({"rows": bytes(range(256)) * 4000})[:2000])
    with pytest.raises(BenchError) as error:
        extract(archive, ["rows"], tmp_path)
    assert error.value.code == "damaged-archive"
