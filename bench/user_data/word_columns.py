"""Whether a column that is read as words holds words, and what all of them begin with."""

from __future__ import annotations

import re

from bench.contracts import BenchError
from bench.user_data.examples import Numbered, words_in
from bench.user_data.rules import ReadingRules

NO_WORDS = 0.9  # share of sentences or words above which a column holds something else
LANGUAGE = re.compile(r"[a-z][a-z-]{1,11}:")
ENOUGH = 50  # words from which a beginning that all have is no chance


def refuse_no_words(plain: ReadingRules, rows: Numbered, where: str) -> None:
    """BenchError where the column of words holds something else: one value a sentence, such as the name of a
    document, or numbers, such as places and indices."""
    sentences = [words_in(plain, item) for _, item in rows]
    sentences = [words for words in sentences if len(words) > 2]
    words = [word for sentence in sentences for word in sentence]
    repeated = sum(len(set(sentence)) == 1 for sentence in sentences)
    numbers = sum(bool(re.fullmatch(r"[\d.,:;/-]*\d[\d.,:;/-]*", word)) for word in words)
    if repeated > NO_WORDS * len(sentences):
        reason = f"'{words[0][:30]}' and its like are repeated for a whole sentence"
    elif numbers > NO_WORDS * len(words):
        reason = f"they are numbers, such as '{words[0][:30]}'"
    else:
        return
    raise BenchError(
        f"{where}: these are no words: {reason}; choose the column of the words with --words",
        code="implausible-words",
    )


def language_mark(plain: ReadingRules, rows: Numbered) -> str:
    """What WikiANN writes before every word, such as `en:`; '' where not all words begin so."""
    words = [word for _, item in rows for word in words_in(plain, item)]
    mark = LANGUAGE.match(words[0]) if len(words) >= ENOUGH else None
    return mark[0] if mark and all(word.startswith(mark[0]) for word in words) else ""
