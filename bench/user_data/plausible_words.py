"""Whether bytes give plausible words when they are read as one byte a character, and files in two encodings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.user_data.alphabets import BESIDE, mixes_languages, words_beyond_ascii

ODD = 0.2  # share of odd places above which Windows-1252 is no plausible reading
APOSTROPHES = "’‘´`·®™-–—…"
"""Non-ASCII characters that Western texts have inside words."""

FEWEST = 3  # lines beyond ASCII that are well-formed UTF-8, from which that is no chance
MIXTURE = 0.02  # and their share

TOLD = re.compile(r"[\u00a0-\u017f\u2010-\u27bf\U00010000-\U0010ffff]|[^\x00-\x7f]{2}")
"""What tells that a line is UTF-8: Latin letters and signs, or a run of any script. Else it may be a capital
or `ß` before a sign of Windows-1252: `ß…` is U+07C5, and `É` before a no-break space is U+0260."""


def is_plausible(text: str, bad: int) -> bool:
    """Whether a text looks like words of the Latin script: few run over several letters beyond ASCII, and those
    within words are small letters. bad: bytes that are not UTF-8."""
    found = [(run, text[at - 1 : at], text[end : end + 1]) for run, at, end in _runs(text)]
    long = sum(_is_long(*run) for run in found) / max(1, len(found))
    within = re.findall(r"(?<=[a-z])[^\x00-\x7f](?=[a-z])", text)
    odd = sum(not (sign.islower() or sign in APOSTROPHES) for sign in within) / max(1, len(within))
    return long <= ODD and odd <= ODD and text.count("\ufffd") <= ODD * bad


def parts_of(content: bytes) -> tuple[int, int] | None:
    """How many lines beyond ASCII are in UTF-8 and how many in Windows-1252, where a text has both; else None.
    Lines that may be either count as neither."""
    lines = [line for line in content.split(b"\n") if not line.isascii()]
    read = [_as_utf_8(line) for line in lines]
    others = [line for line, text in zip(lines, read, strict=True) if text is None]
    good = sum(text is not None and bool(TOLD.search(text)) for text in read)
    if good < max(FEWEST, MIXTURE * len(lines)):
        return None
    rest = b"\n".join(others)
    text = rest.decode("cp1252", errors="replace")
    bad = sum(byte > 0x7F for byte in rest)
    sound = is_plausible(text, bad) and not mixes_languages(words_beyond_ascii(text))
    return (good, len(others)) if sound else None


def _as_utf_8(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _runs(text: str) -> Iterator[tuple[str, int, int]]:
    return ((run[0], run.start(), run.end()) for run in re.finditer(r"[^\x00-\x7f]+", text))


def _is_long(run: str, before: str, after: str) -> bool:
    """Whether characters beyond ASCII are too many for a word: three, or two that are a word by themselves."""
    alone = not before.isalpha() and not after.isalpha()
    return len(run) > 2 or (alone and len(run.strip(BESIDE)) > 1 and any(map(str.isalpha, run)))
