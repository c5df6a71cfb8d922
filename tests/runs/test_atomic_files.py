"""What a write leaves on the disk, and what it never touches."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.runs import atomic_files


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    atomic_files.write(tmp_path / "new", b"x")
    assert permissions(tmp_path / "new") == 0o644
    os.umask(0o077)
    atomic_files.write(tmp_path / "private", b"x")
    assert permissions(tmp_path / "private") == 0o600


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_file_that_is_written_again_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "README.md"
    path.write_text("old")
    path.chmod(mode)
    atomic_files.write(path, b"new")
    assert (path.read_text(), permissions(path)) == ("new", mode)


def device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root may make a device")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, device], ids=["fifo", "folder", "device"])
@pytest.mark.parametrize("linked", [False, True])
def test_what_is_no_file_is_never_replaced(tmp_path: Path, make: object, linked: bool) -> None:
    """`--out /dev/stdout` is a link to a FIFO, and root may rename over it."""
    there = tmp_path / "there"
    make(there)  # pyright: ignore[reportCallIssue]
    path = tmp_path / "link" if linked else there
    if linked:
        path.symlink_to(there)
    before = path.lstat()
    with pytest.raises(BenchError) as error:
        atomic_files.write(path, b"new")
    assert error.value.code == "not-a-file"
    after = path.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted({path.name, "there"})


def test_a_link_to_nothing_and_a_link_to_a_file_are_replaced_themselves(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("kept")
    for name, target in (("dangling", "nowhere"), ("link", "other")):
        (tmp_path / name).symlink_to(tmp_path / target)
        atomic_files.write(tmp_path / name, b"new")
        assert not (tmp_path / name).is_symlink()
    assert (tmp_path / "other").read_text() == "kept"


def test_the_name_of_a_file_in_the_making_is_that_of_a_temporary_one(tmp_path: Path) -> None:
    descriptor, name = atomic_files._temporary(tmp_path / "record.json")
    os.close(descriptor)
    assert atomic_files.is_temporary(Path(name))


ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")


@pytest.mark.parametrize(
    "path", ["/dev/stdout", "/dev/null", "/dev/fd/1", pytest.param("/proc/self/fd/1", marks=ON_LINUX)]
)
def test_nothing_of_the_system_is_replaced(path: str) -> None:
    """Looked at alone: a write that succeeds would harm the machine. With `> file` /dev/stdout leads to a file."""
    with pytest.raises(BenchError) as error:
        atomic_files._check_replaceable(Path(path))
    assert error.value.code == "not-a-file"


@pytest.mark.parametrize(
    ("folder", "refused"),
    [("/dev", True), ("/dev/fd", True), ("/proc/self", True), ("/dev/shm", False), ("/dev/shm/runs", False)],
)
def test_files_in_the_folders_of_devices_are_refused_but_for_those_in_memory(
    folder: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A regular file in a folder whose path resolves to this one, which the system need not have."""
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr(Path, "resolve", lambda _: Path(folder))
    with pytest.raises(BenchError) if refused else nullcontext():
        atomic_files._check_replaceable(tmp_path / "file")
