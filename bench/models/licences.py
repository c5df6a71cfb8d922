"""The licence of an encoder's weights, where it is known without the network."""

from __future__ import annotations

import re
from pathlib import Path

KNOWN = {
    "minilm": "Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2)",
    "mpnet": "Apache-2.0 (sentence-transformers/all-mpnet-base-v2)",
}
"""Of built-in encoders, as the authors of the weights state it."""

HEADER = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
LINE = re.compile(r"^license(?:_name)?:[ \t]*[\"']?([\w.+ -]+?)[\"']?[ \t]*$", re.MULTILINE)
LONGEST = 64_000
"""Characters of a card that are read."""


def licence_of(backbone: str) -> str:
    """What the catalogue or the model card in a local folder states; '' where neither does."""
    if backbone in KNOWN:
        return KNOWN[backbone]
    card = Path(backbone) / "README.md"
    try:
        with card.open(encoding="utf-8", errors="replace") as file:
            header = HEADER.search(file.read(LONGEST))
    except OSError:
        return ""
    found = LINE.search(header[1]) if header else None
    return found[1].strip() if found else ""
