"""Whether a column that is read as words holds words, and what all of them begin with."""

from __future__ import annotations

import re

from bench.contracts import BenchError
from bench.user_data.examples import Numbered, words_in
from bench.user_data.rules import ReadingRules

NO_WORDS = 0.9  # share of sentences or words above which a column holds something else
NUMBER = re.compile(r"[\d.,:;/-]*\d[\d.,:;/-]*")
LANGUAGE = re.compile(r"[a-z][a-z-]{1,11}:")
ENOUGH = 50  # words from which a beginning that all have is no chance


def refuse_no_words(plain: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where the column of words holds something else: one value a sentence, such as the name of a
    document, or numbers, such as places and indices."""
    first, sentences, repeated, count, numbers = "", 0, 0, 0, 0
    for _, item in rows:
        words = words_in(plain, item)
        if len(words) > 2:
            first = first or words[0]
            sentences += 1
            repeated += len(set(words)) == 1
            count += len(words)
            numbers += sum(bool(NUMBER.fullmatch(word)) for word in words)
    if repeated > NO_WORDS * sentences:
        reason = f"'{first[:30]}' and its like are repeated for a whole sentence"
    elif numbers > NO_WORDS * count:
        reason = f"they are numbers, such as '{first[:30]}'"
    else:
        return
    raise BenchError(
        f"{where}: these are no words: {reason}; choose the column of the words with --words",
        code="implausible-words",
    )


def language_mark(plain: ReadingRules, rows: Numbered) -> str:
    """What WikiANN writes before every word, such as `en:`; '' where not all words begin so."""
    found, count = "", 0
    for word in (word for _, item in rows for word in words_in(plain, item)):
        if not count and (mark := LANGUAGE.match(word)):
            found = mark[0]
        if not found or not word.startswith(found):
            return ""
        count += 1
    return found if count >= ENOUGH else ""
