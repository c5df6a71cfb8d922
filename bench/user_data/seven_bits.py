"""Encodings that write every text in ASCII bytes: ISO-2022, HZ and UTF-7. A file of them looks like ASCII."""

from __future__ import annotations

import re
from collections.abc import Sequence

SHIFTS = (
    (re.compile(rb"\x1b\$\)C"), "iso2022_kr"),
    (re.compile(rb"\x1b\([IJ]"), "iso2022_jp_ext"),
    (re.compile(rb"\x1b\$(?:[@B]|\([A-Z])"), "iso2022_jp"),
    (re.compile(rb"\x1b\$[A\x28-\x2f]"), ""),
)
"""What ISO-2022 writes before characters beyond ASCII, and the encoding's name where Python has it. Terminals write
other sequences, such as ESC ( B."""

PAIRED = re.compile(rb"~\{((?:[\x21-\x77][\x21-\x7e]){1,500})~\}")
"""How HZ writes Chinese (RFC 1843): pairs of ASCII bytes."""

OVERLAP = 1024
"""Bytes that a search needs of what is before a block."""

PLUS = re.compile(rb"\+([A-Za-z0-9+/]{3,})(-?)")
"""How UTF-7 writes characters beyond ASCII (RFC 2152): base64 of UTF-16. A mark starts with +/v."""

MOST = 0.8  # share of the plus signs of UTF-7 that start characters
SIGNS = 6  # ideographs at least, of different words of two and more


def shifted(block: bytes) -> str | None:
    """The name of the encoding whose shifts a block of ASCII has, '' for one that cannot be read, None without."""
    if b"\x1b" in block:
        for pattern, name in SHIFTS:
            if pattern.search(block):
                return name
    if b"~{" in block and any(_is_hz(found[0]) for found in PAIRED.finditer(block)):
        return "hz"
    return None


def _is_hz(run: bytes) -> bool:
    try:
        return run.decode("hz").isprintable()
    except UnicodeDecodeError:
        return False


def words_of_utf_7(start: bytes) -> list[str]:
    """The first words of UTF-7 where the start of a file has enough of them; else []. Of a few words, those inside
    of others count alone: `gr+APYA3w-er`. `+new` is an ideograph by chance."""
    runs = [(word, found) for found in PLUS.finditer(start) if (word := _decoded(found[0]))]
    words = [word for word, _ in runs]
    inside = [word for word, found in runs if _is_inside(start, found) and _is_western(word)]
    if start.startswith(b"+/v") or inside:
        return inside[:3] or words[:3]
    others = start.count(b"+") - sum(found[0].count(b"+") for _, found in runs)
    enough = len(words) >= max(3, MOST * (len(words) + others))
    return words[:3] if enough and _is_one_script(words) else []


def _decoded(run: bytes) -> str:
    """The characters beyond ASCII that a run stands for; '' where it is none, as the number of a telephone is."""
    try:
        word = "" if run.strip(b"+-").isdigit() else run.decode("utf-7")
    except UnicodeDecodeError:
        return ""
    return word if not word.isascii() and word.isprintable() else ""


def _is_inside(start: bytes, found: re.Match[bytes]) -> bool:
    """Whether a run is closed and letters are around it. Only then UTF-7 needs its closing `-`."""
    around = start[found.start() - 1 : found.start()] + start[found.end() : found.end() + 1]
    return bool(found[2]) and len(around) == 2 and around.isalpha()


def _is_western(word: str) -> bool:
    return all("À" <= sign <= "ÿ" for sign in word)


def _is_one_script(words: Sequence[str]) -> bool:
    """Whether nearly all are of an alphabet, or several are longer than one ideograph."""
    plain = sum(all(sign < "\u0700" or "\u2000" <= sign < "\u2100" for sign in word) for word in words)
    long = {word for word in words if len(word) > 1 and len({_block(sign) for sign in word}) == 1}
    return plain >= MOST * len(words) or (
        len(long) >= MOST / 2 * len(set(words)) and sum(map(len, long)) >= SIGNS
    )


def _block(sign: str) -> str:
    """A coarse script of East Asia, the same for signs that stand in one word."""
    if "\uac00" <= sign < "\ud7b0":
        return "Hangul"
    east = "\u3000" <= sign < "\ua000" or "\uff00" <= sign < "\ufff0"
    return "Han, Kana" if east else f"{ord(sign) >> 8:x}"
