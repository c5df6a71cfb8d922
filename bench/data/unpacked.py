"""Files that may be compressed with gzip, whatever their names."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import BinaryIO

GZIP = b"\x1f\x8b"


def opened(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked where it is compressed with gzip. OSError."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")  # pyright: ignore[reportReturnType]
