"""The scheme and notation of entity tags, and whether a column can hold tags at all.

IOB2, IOB1 (the published CoNLL-2003: B- only between two entities of a type), IOE, IOBES, BILOU, BMES and BMEWO all
become IOB2. Ramshaw and Marcus (1995), Tjong Kim Sang and Veenstra (1999), Ratinov and Roth (2009) define them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.contracts import BenchError
from bench.text import counted

OPENS = {"S": "B", "U": "B", "W": "B", "B": "B", "I": "I", "E": "I", "L": "I", "M": "I"}
"""The place letters of all schemes, and what they are in IOB2."""

CLOSES = "SUWEL"  # an entity ends at its word
OUTSIDES = ("o", "0", "_", "-", "*", "OUT", "Out", "out", "OUTSIDE", "outside", "NONE", "None", "none")
"""Spellings of O, if no tag is O and most words have this one."""

FORMS = {
    "B-TYPE": r"(?P<place>[BIESLUMW])-(?P<type>.+)",
    "B_TYPE": r"(?P<place>[BIESLUMW])[_:./|](?P<type>.+)",
    "TYPE-B": r"(?P<type>.+)[-_:./|](?P<place>[BIESLUMW])",
    "b-type": r"(?P<place>[bieslumw])[-_:](?P<type>.+)",
    "B": r"(?P<place>[BIESLUMW])(?P<type>)",
    "b": r"(?P<place>[bieslumw])(?P<type>)",
}
"""How a place and a type are written, the usual way first."""

NESTED = re.compile(r"(?:O|[BIESLUMW][-_].+?)[|,;][BIESLUMW][-_].+|(?:o|[bieslumw]-.+?)\|[bieslumw]-.+")
"""Several tags of a word in one: an entity within another."""

UNNAMED = "ENTITY"
FEW = 0.01  # share of tags that may be of another kind: their sentences are left out
TYPES = 100  # entity types above which a column does not hold tags
LONGEST = 500  # words of a usual sentence
LEAST_OUTSIDE = 0.1  # share of words without an entity, where tags are bare types
WAY_OUT = "choose the column of the tags with --tags, or write tags as O, B-TYPE and I-TYPE"


@dataclass(frozen=True)
class Tagging:
    """Converts a file's tags to IOB2. form: a key of FORMS, or '' for types without a place. outside: what it
    writes for O. scheme: as `scheme_of` has it. notes: what was recognised, in words."""

    form: str = "B-TYPE"
    outside: str = "O"
    scheme: str = "IOB2"
    notes: tuple[str, ...] = ()

    def iob2(self, tags: Sequence[str]) -> tuple[str, ...] | None:
        """The tags as IOB2; None where one is of another kind than those of the training file."""
        plain = [_plain(tag, self.form, self.outside) for tag in tags]
        return None if None in plain else to_iob2([tag for tag in plain if tag], self.scheme)


def learn_tags(sentences: Sequence[Sequence[str]], where: str) -> Tagging:
    """How the tags of a training file are read. BenchError where they cannot be tags of entities."""
    counts = Counter(tag for tags in sentences for tag in tags)
    if not counts:
        return Tagging()
    _check_lengths(sentences, where)
    outside = _outside(counts)
    kinds = Counter({tag: count for tag, count in counts.items() if tag not in ("O", "o", outside)})
    if not kinds:
        raise BenchError(
            f"{where}: every word has the tag '{outside}', so there is no entity to find; {WAY_OUT}",
            code="no-entities",
        )
    _refuse_nested(kinds, where)
    form = _form(kinds, where)
    notes: list[str] = []
    if outside != "O":
        notes.append(f"no tag is O and most words have '{outside}': it is read as O")
    elif counts["o"]:
        notes.append(f"{counted(counts['o'], 'word')} with the tag 'o': it is read as O")
    plain = [[_plain(tag, form, outside) or "O" for tag in tags] for tags in sentences]
    types = {tag[2:] if form else tag for tags in plain for tag in tags if tag != "O"}
    if len(types) > TYPES:
        raise _implausible(where, f"they have {len(types):,} types, such as {_some(types)}")
    if not form:
        _check_bare_types(counts, kinds, outside, where)
    scheme = scheme_of(plain)
    if form in ("B", "b"):
        notes.append(f"tags name no type: entities are of one type, {UNNAMED}")
    elif form not in ("B-TYPE", ""):
        notes.append(f"tags are written as {form}: they are read as B-TYPE")
    if scheme != "IOB2":
        notes.append(_scheme_note(scheme, plain))
    return Tagging(form, outside, scheme, tuple(notes))


def _refuse_nested(kinds: Counter[str], where: str) -> None:
    """BenchError where words have several tags in one, of entities within others."""
    nested = Counter({tag: count for tag, count in kinds.items() if NESTED.fullmatch(tag)})
    if nested:
        raise BenchError(
            f"{where}: {counted(nested.total(), 'word has', 'words have')} several tags, such as "
            f"'{nested.most_common(1)[0][0][:40]}': keep one of them, or give those of entities within others a "
            "column of their own and choose one with --tags",
            code="nested-tags",
        )


def _outside(counts: Counter[str]) -> str:
    if counts["O"]:
        return "O"
    most, count = counts.most_common(1)[0]
    return most if most in OUTSIDES and count >= 0.3 * counts.total() else "O"


def _form(kinds: Counter[str], where: str) -> str:
    """The key of FORMS that all or nearly all tags have, '' where they are bare types. BenchError where they are of
    two kinds, or numbers."""
    if all(re.fullmatch(r"-?\d+(\.0)?", tag) for tag in kinds):
        raise BenchError(
            f"{where}: tags are numbers ({_some(kinds)}), and nothing says what they mean: give their names in the "
            "order of the numbers, such as --label-names O,B-PER,I-PER",
            code="tags-without-names",
        )
    total = kinds.total()
    for form, pattern in FORMS.items():
        fits = {tag for tag in kinds if re.fullmatch(pattern, tag)}
        share = sum(kinds[tag] for tag in fits) / total
        usual = form == "B-TYPE"
        if share == 1 and (
            usual or {tag[-1 if form == "TYPE-B" else 0].upper() for tag in fits} & set("BIS")
        ):
            return form
        if usual and share >= 1 - FEW:
            return form
        if usual and share > 0.05:
            odd = next(tag for tag, _ in kinds.most_common() if tag not in fits)
            raise BenchError(
                f"{where}: tags are of two kinds, such as '{min(fits)}' and '{odd[:30]}' "
                f"({counted(kinds[odd], 'time')}): correct them, or {WAY_OUT}",
                code="mixed-tags",
            )
    return ""


def _check_bare_types(counts: Counter[str], kinds: Counter[str], outside: str, where: str) -> None:
    """BenchError where tags without B- and I- are no types of entities."""
    odd = next((tag for tag in kinds if re.search(r"[\s=*]|^\(|\)$", tag) or len(tag) > 40), None)
    once = [tag for tag, count in kinds.items() if count == 1]
    if not counts[outside]:
        raise _implausible(where, f"no word is outside an entity, and the tags are {_some(kinds)}")
    if odd:
        raise _implausible(where, f"one is '{odd[:40]}'")
    if counts[outside] < LEAST_OUTSIDE * counts.total():
        raise _implausible(
            where, f"only {100 * counts[outside] / counts.total():.0f}% of the words have none"
        )
    if len(once) > max(2, len(kinds) / 2):
        raise _implausible(where, f"{len(once)} of {len(kinds)} occur once, such as {_some(once)}")


def _check_lengths(sentences: Sequence[Sequence[str]], where: str) -> None:
    """BenchError where sentences are single words, or all words are one sentence."""
    usual = median(map(len, sentences))
    if len(sentences) >= 10 and usual == 1:
        raise BenchError(
            f"{where}: most sentences have one word: in a table, name the column that numbers the sentences with "
            "--sentence, or say --adapter classification where each text has one label; in a file of columns, "
            "leave a blank line after each sentence only",
            code="one-word-sentences",
        )
    if usual > LONGEST or (len(sentences) == 1 and usual > 100):
        raise BenchError(
            f"{where}: {counted(len(sentences), 'sentence')} of {usual:,.0f} words: leave a blank line after each "
            "sentence",
            code="no-sentences",
        )


def _implausible(where: str, reason: str) -> BenchError:
    return BenchError(
        f"{where}: these are not tags of entities: {reason}; {WAY_OUT}", code="implausible-tags"
    )


def _some(tags: Iterable[str]) -> str:
    return ", ".join(f"'{tag[:30]}'" for tag in sorted(tags)[:4])


def _plain(tag: str, form: str, outside: str) -> str | None:
    """A tag as O, B-TYPE or, without a form, its type; None for one of another kind."""
    if tag in ("O", "o", outside):
        return "O"
    if not form:
        return tag
    match = re.fullmatch(FORMS[form], tag)
    return f"{match['place'].upper()}-{match['type'] or UNNAMED}" if match else None


def scheme_of(sentences: Iterable[Sequence[str]]) -> str:
    """The scheme of tag sequences: `IOB2`, `IOB1`, `IOBES` (or a relative), or `none` where types have no place."""
    places: set[str] = set()
    opened_by_i = False
    for tags in sentences:
        before = "O"
        for tag in tags:
            place, dash, kind = tag.partition("-")
            if tag != "O" and (not dash or not kind or place not in OPENS):
                return "none"
            opened_by_i |= place == "I" and before[1:] != tag[1:]
            places.add(place)
            before = tag
    if places & set("SEULMW"):
        return "IOBES"
    return "IOB1" if opened_by_i else "IOB2"


def _scheme_note(scheme: str, sentences: Sequence[Sequence[str]]) -> str:
    """A note that tags are read as IOB2, and their scheme."""
    if scheme == "none":
        return "tags are types without B- and I-: they are read as IOB2"
    pairs = [pair for tags in sentences for pair in itertools.pairwise(("O", *tags))]
    usual = sum(tag[0] == "B" and before[2:] != tag[2:] for before, tag in pairs)
    odd = sum(tag[0] == "I" and before[2:] != tag[2:] for before, tag in pairs)
    if scheme == "IOB1" and usual:  # IOB1 has B- between two entities of a type alone
        return f"{counted(odd, 'entity begins', 'entities begin')} with I- where others begin with B-: read as B-"
    return f"tags are {_scheme_name(scheme, sentences)}: they are read as IOB2"


def _scheme_name(scheme: str, sentences: Iterable[Sequence[str]]) -> str:
    """The usual name of the scheme with these place letters."""
    places = {tag[0] for tags in sentences for tag in tags}
    if scheme == "IOB1":
        return "IOB1" if "B" in places else "IO"
    if places & set("MW"):
        return "BMEWO" if "W" in places else "BMES"
    if places & set("LU"):
        return "BILOU"
    return "IOBES" if places & set("BS") else "IOE"


def to_iob2(tags: Sequence[str], scheme: str) -> tuple[str, ...]:
    """Tags of a scheme as IOB2. In `none` every run of one type is an entity."""
    found = []
    before = "O"
    for tag in tags:
        if tag == "O":
            found.append(tag)
        elif scheme == "none":
            found.append(f"{'I' if before == tag else 'B'}-{tag}")
        else:
            place, kind = OPENS[tag[0]], tag[2:]
            continues = before != "O" and before[2:] == kind and before[0] not in CLOSES
            found.append(f"{'I' if place == 'I' and continues else 'B'}-{kind}")
        before = tag
    return tuple(found)
