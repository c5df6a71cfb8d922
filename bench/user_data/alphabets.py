"""Which encoding of one byte a character a text is in, by the alphabet of its language.

Windows-1252, 1254, 1250 and 1257 give most of their bytes to letters, so all of them decode any text of the others
into what looks like words. Two things tell them apart. The letters beyond ASCII of one language are few, so in the
right encoding nearly all of a text's letters belong to one alphabet. And words that are read in the wrong one mix
letters that no Western language has together, or have them where none writes them. A text of several Western
languages has no such words: each is of one of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WESTERN = {
    "German": "äöüßé",
    "French": "àâæçéèêëîïôœùûüÿ",
    "Spanish": "áéíñóúüªº",
    "Portuguese": "áâãàçéêíóôúü",
    "Italian": "àèéìíîòóùú",
    "Dutch": "áéèëïíóöü",
    "Swedish, Finnish": "åäöéàüšž",
    "Danish, Norwegian": "æøåéèòóôüäö",
    "Icelandic": "áðéíóúýþæö",
    "Faroese": "áðíóúýæøö",
    "Catalan": "àçéèíïóòúü",
    "Irish": "áéíóú",
    "Estonian": "äõöüšž",
    "Albanian": "çëâ",
    "Afrikaans": "éèêëîïôû",
    "Welsh": "âêîôûïáé",
    "Luxembourgish": "äéëêèöüôâç",
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
    "Estonian": (("cp1257",), "äõöüšž"),
    "Welsh": (("iso8859_14",), "âêîôûïáéèŵŷ"),
}
"""Languages of other encodings of one byte a character: the encodings, and their letters beyond ASCII."""

VOWEL = "aeiouáéíóúöüäõ"
NOWHERE = re.compile(
    r"[ìù](?=\w)"  # Italian and French end words with them
    r"|[ºª](?=[a-z])"
    rf"|[{VOWEL}]\w*õ"  # Estonian has it in the first syllable
    r"|(?<=\w\w)[âîû]$"
    r"|ã(?![oeism]|$)"
    r"|è(?=[aeiou])|^æ(?=[aeiu])"
    r"|ç(?=[eiéíêî])|(?<=\w)ç(?=[bcdfghjklmnpqrstvwxz])"
    r"|^[ïð]"
    r"|þ(?![aeiouáéíóúýæöjvrl])"  # Icelandic begins syllables with þ, and no word with ð
    r"|(?<=\w\w\w)ý$|ý\w*ý"
)
"""Letters at places of a word where no Western language has them."""

LEAST = 12  # letters beyond ASCII below which nothing is told
BELONG = 0.97  # share of the letters that must belong to the language
DISTINCT = range(
    2, 5
)  # different letters at least that Windows-1252 reads as others: half of those that there are
EVIDENCE = 4  # those letters and the different words that no Western language explains, together
OFTEN = 4  # how often at least such words stand in the text
SHARE = 0.1  # and their share of the words with letters beyond ASCII
MIXED = 0.3  # share of such words, by their letters alone, from which a text is in another encoding
FEWEST = 3  # and how many different ones

BESIDE = "“”‘’«»„‚‹›¿¡–—…·\xa0\xad´`€£§°"
"""Signs that stand before a letter without a blank."""

RUN = re.compile(r"[A-Za-z\x80-\uffff]+")
BETWEEN = re.compile("[“”‘’«»„‚‹›–—…·\xa0\xad´`•™®©\u2028]+")
"""Signs that divide or end words."""


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
    fitting = [
        (share, Alphabet(encoding, language))
        for language, (encodings, letters) in OTHERS.items()
        for encoding in encodings
        if (share := _share(counts, encoding, letters)) >= BELONG
    ]
    if not fitting:
        return None
    words = words_beyond_ascii(content.decode("cp1252", "replace"))
    most, best = max(fitting, key=lambda entry: entry[0])
    rivals = {found.encoding for share, found in fitting if found.language != best.language and share == most}
    text = content.decode(best.encoding, "replace")
    alone = all(content.decode(name, "replace") == text for name in rivals)
    return best if alone and _is_told(counts, best, words) else None


def words_beyond_ascii(text: str) -> Counter[str]:
    """The words with a letter or sign beyond ASCII, as they come; signs around them are left out."""
    found: Counter[str] = Counter()
    for run in RUN.findall(text):
        if not run.isascii():
            for part in BETWEEN.split(run):
                word = part.lstrip(BESIDE)
                while word and not word[-1].isalpha():
                    word = word[:-1]
                if not word.isascii():
                    found[word] += 1
    return found


def _is_told(counts: _Counts, alphabet: Alphabet, words: Mapping[str, int]) -> bool:
    """Whether enough letters and words are of no Western language when they are read in Windows-1252."""
    letters = OTHERS[alphabet.language][1]
    told, possible = (
        _told_apart(found, alphabet.encoding, letters) for found in (counts.all, range(0x80, 0x100))
    )
    least = min(max(DISTINCT.start, (possible + 1) // 2), DISTINCT[-1])
    foreign = {word.lower(): count for word, count in words.items() if not is_western(word.lower())}
    often = sum(foreign.values())
    enough = often >= OFTEN and often >= SHARE * sum(words.values())
    return told >= least and bool(foreign) and told + len(foreign) >= EVIDENCE and enough


def mixes_languages(words: Iterable[str]) -> bool:
    """Whether many words have letters together that no Western language has."""
    lower = {word.lower() for word in words}
    mixed = sum(not any(_beyond(word).issubset(letters) for letters in WESTERN.values()) for word in lower)
    return mixed >= FEWEST and mixed >= MIXED * len(lower)


def is_western(word: str) -> bool:
    """Whether one Western language has all letters of a word in lower case, where they stand."""
    word = word.replace("õe", "oe")  # as Portuguese has it, and nothing else
    beyond = _beyond(word)
    return not NOWHERE.search(word) and any(beyond.issubset(letters) for letters in WESTERN.values())


def _beyond(word: str) -> set[str]:
    return {sign for sign in word if not sign.isascii()}


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
    """The share of the letters that belong to an alphabet, 0 where fewer than LEAST do. A sign where a letter must
    be counts as one that does not, and so does a control character, which no text has."""
    own = others = 0
    for byte, count in counts.all.items():
        letter = _letter(byte, encoding)
        sign = bytes([byte]).decode(encoding, "replace")
        if letter:
            own, others = own + count * (letter in letters), others + count * (letter not in letters)
        elif "\x80" <= sign < "\xa0":
            others += count
        elif sign not in BESIDE:
            others += counts.before.get(byte, 0)
    return own / (own + others) if own >= LEAST else 0.0


def _told_apart(read: Iterable[int], encoding: str, letters: str) -> int:
    """How many letters of the alphabet are among the bytes that Windows-1252 reads as something else."""
    return len(
        {
            letter
            for byte in read
            if (letter := _letter(byte, encoding)) and letter in letters and letter != _letter(byte, "cp1252")
        }
    )
