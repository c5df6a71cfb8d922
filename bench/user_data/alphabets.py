"""Which encoding of one byte a character a text is in, by the alphabet of its language.

Windows-1252, 1254, 1250 and 1257 give most of their bytes to letters, so all of them decode any text of the others
into what looks like words. But of a text's letters beyond ASCII, those of one language are few: where they all
belong to one alphabet when they are read in one encoding, and do not in Windows-1252, it is that encoding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

WESTERN = {
    "German": "äöüßé",
    "French": "àâæçéèêëîïôœùûüÿ",
    "Spanish": "áéíñóúüªº",
    "Portuguese": "áâãàçéêíóôõúü",
    "Italian": "àèéìíîòóùú",
    "Dutch": "áéèëïíóöü",
    "Swedish, Finnish": "åäöéà",
    "Danish, Norwegian": "æøåéèòóôü",
    "Icelandic": "áðéíóúýþæö",
    "Faroese": "áðíóúýæøö",
    "Catalan": "àçéèíïóòúü",
    "Irish": "áéíóú",
    "Estonian": "äõöüšž",
    "Albanian": "çëâ",
    "Afrikaans": "áéèêëíîïóôöúû",
}
"""Languages of Windows-1252, and their letters beyond ASCII."""

OTHERS = {
    "Turkish": (("cp1254",), "çğıöşüâîûİ"),
    "Czech": (("cp1250", "iso8859_2"), "áčďéěíňóřšťúůýž"),
    "Slovak": (("cp1250", "iso8859_2"), "áäčďéíĺľňóôŕšťúýž"),
    "Polish": (("cp1250", "iso8859_2"), "ąćęłńóśźż"),
    "Hungarian": (("cp1250", "iso8859_2"), "áéíóöőúüű"),
    "Romanian": (("cp1250", "iso8859_2", "iso8859_16"), "ăâîşţșțŞ"),
    "Croatian, Slovenian": (("cp1250", "iso8859_2"), "čćđšž"),
    "Lithuanian": (("cp1257", "iso8859_13"), "ąčęėįšųūž"),
    "Latvian": (("cp1257", "iso8859_13"), "āčēģīķļņōŗšūž"),
}
"""Languages of other encodings of one byte a character: the encodings, and their letters beyond ASCII."""

LEAST = 20  # letters beyond ASCII below which nothing is told
BELONG = 0.97  # share of the letters that must belong to the language
AHEAD = 0.1  # and how much more of them than to any language of Windows-1252
DISTINCT = 2  # different letters at least that Windows-1252 reads as others


BESIDE = "“”‘’«»„‚‹›¿¡–—…·\xa0\xad´`€£§°"
"""Signs that stand before a letter without a blank."""


@dataclass(frozen=True)
class Alphabet:
    """An encoding, as Python names it, and the language whose letters it gives."""

    encoding: str
    language: str


def alphabet_of(content: bytes) -> Alphabet | None:
    """The encoding and the language, where the letters tell that the text is not in Windows-1252; else None."""
    counts = _Counts(
        {byte: count for byte, count in Counter(content).items() if byte > 0x7F},
        Counter(found[0] for found in re.findall(rb"[\x80-\xff](?=[a-z])", content)),
    )
    western = max(_share(counts, "cp1252", letters) for letters in WESTERN.values())
    found = [
        (_share(counts, encoding, letters), -place, Alphabet(encoding, language))
        for language, (encodings, letters) in OTHERS.items()
        for place, encoding in enumerate(encodings)
        if _told_apart(counts, encoding, letters) >= DISTINCT
    ]
    best = max(found, key=lambda entry: entry[:2], default=None)
    if best is None or sum(counts.all.values()) < LEAST or best[0] < max(BELONG, western + AHEAD):
        return None
    return best[2]


@dataclass(frozen=True)
class _Counts:
    """How often each byte beyond ASCII stands in a text, and how often right before a letter."""

    all: Mapping[int, int]
    before: Mapping[int, int]


def _letter(byte: int, encoding: str) -> str:
    """The letter in lower case, '' for a sign or a byte that the encoding lacks. The dotted capital I stays: its
    lower case is two characters."""
    sign = bytes([byte]).decode(encoding, "ignore")
    return (sign if sign == "İ" else sign.lower()) if sign.isalpha() else ""


def _share(counts: _Counts, encoding: str, letters: str) -> float:
    """The share of the letters that belong to an alphabet. A sign where a letter must be counts as one that does
    not."""
    own = others = 0
    for byte, count in counts.all.items():
        letter = _letter(byte, encoding)
        if letter:
            own, others = own + count * (letter in letters), others + count * (letter not in letters)
        elif bytes([byte]).decode(encoding, "replace") not in BESIDE:
            others += counts.before.get(byte, 0)
    return own / (own + others) if own else 0.0


def _told_apart(counts: _Counts, encoding: str, letters: str) -> int:
    """How many letters of the alphabet the text has that Windows-1252 reads as something else."""
    return len(
        {
            letter
            for byte in counts.all
            if (letter := _letter(byte, encoding)) and letter in letters and letter != _letter(byte, "cp1252")
        }
    )
