"""How tasks cut the rows of their packages, from made-up files: the cache would give real rows as they were cut
before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.contracts import Splits, Task
from bench.data.formats import read_mentions, read_ratings, read_squad, read_tab
from bench.data.packages.pinned import VADER
from bench.data.packages.registries import Package
from bench.data.sources import Sources
from bench.data.splits import cut_by_group, with_validation
from tasks.financial_ner import FinancialNER
from tasks.movie_sentiment import MovieSentiment
from tasks.newsgroups import Newsgroups
from tasks.reuters_r8 import ReutersR8
from tasks.reuters_r52 import ReutersR52
from tasks.squad import Squad

Write = Callable[[Path, str], None]
ROWS = 200


@dataclass(frozen=True)
class MadeUp(Sources):
    """Sources whose members are written by a test, and which keep no rows."""

    write: Write = lambda path, name: None

    def members(self, package: Package, names: Sequence[str] = ()) -> dict[str, Path]:
        found = {name: self.cache / name.replace("!", "/") for name in names or package.members}
        for name, path in found.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            self.write(path, name)
        return found

    def cached(self, name: str, version: int, build: Callable[[], Splits]) -> Splits:
        return build()


def ratings(path: Path, name: str) -> None:
    """Each line of a document of its own; what is in it tells the file."""
    kind = path.name.partition("_")[0]
    path.write_text("\n".join(f"{place}\t{1 - 2 * (place % 2)}\t{kind} {place}" for place in range(ROWS)))


def mentions(path: Path, name: str) -> None:
    lines = [{"input": [{"content": f"Ann {place}"}], "ideal": "[Ann - PERSON]"} for place in range(ROWS)]
    path.write_text("\n".join(map(json.dumps, lines)))


def tab(path: Path, name: str) -> None:
    rows = "".join(f"{place % 3}\t{path.stem} {place}\n" for place in range(ROWS))
    path.write_text(f"Category\tText\nd\tstring\nclass\t\n{rows}")


def articles(path: Path, name: str) -> None:
    """An article for each question."""
    found = [
        {
            "title": f"{path.stem} {place}",
            "paragraphs": [
                {
                    "context": f"Ann {place}",
                    "qas": [
                        {
                            "id": f"{place}",
                            "question": "Who?",
                            "answers": [{"text": "Ann", "answer_start": 0}],
                        }
                    ],
                }
            ],
        }
        for place in range(ROWS)
    ]
    path.write_text(json.dumps({"data": found}))


def sizes(splits: Splits) -> tuple[int, int, int]:
    return len(splits.train), len(splits.validation), len(splits.test)


def test_films_are_cut_and_other_texts_are_shifts(tmp_path: Path) -> None:
    sources = MadeUp(tmp_path, write=ratings)
    found = MovieSentiment().splits(sources)
    files = {Path(name.rpartition("!")[2]).name: path for name, path in sources.members(VADER).items()}
    films = read_ratings(files["movieReviewSnippets_GroundTruth.txt"], "movie")
    expected = cut_by_group(films, 0.6, 0.1, "movie-sentiment")
    assert (found.train, found.validation, found.test) == (expected.train, expected.validation, expected.test)
    assert sizes(found) == (120, 20, 60)
    assert {name: (rows[0].id, rows[0].text, len(rows)) for name, rows in found.shift.items()} == {
        "product-reviews": ("product-reviews-0", "amazonReviewSnippets 0", ROWS),
        "tweets": ("tweets-0", "tweets 0", ROWS),
        "editorials": ("editorials-0", "nytEditorialSnippets 0", ROWS),
    }


def test_sentences_of_agreements_are_cut(tmp_path: Path) -> None:
    found = FinancialNER().splits(MadeUp(tmp_path, write=mentions))
    (path,) = (path for path in tmp_path.rglob("*") if path.is_file())
    expected = cut_by_group(read_mentions(path, "fin"), 0.6, 0.15, "financial-ner")
    assert (found.train, found.validation, found.test) == (expected.train, expected.validation, expected.test)
    assert sizes(found) == (120, 30, 50)


@pytest.mark.parametrize(
    ("task", "corpus", "salt"),
    [
        (Newsgroups(), "20newsgroups", "newsgroups"),
        (ReutersR8(), "reuters-r8", "reuters-r8"),
        (ReutersR52(), "reuters-r52", "reuters-r52"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_tenth_of_the_training_texts_is_for_validation(
    task: Task, corpus: str, salt: str, tmp_path: Path
) -> None:
    found = task.splits(MadeUp(tmp_path, write=tab))
    files = {path.stem: path for path in tmp_path.rglob("*.tab")}
    train, test = (read_tab(files[f"{corpus}-{split}"], split) for split in ("train", "test"))
    expected = with_validation(train, test, 0.1, salt)
    assert (found.train, found.validation, found.test) == (expected.train, expected.validation, expected.test)
    assert sizes(found) == (180, 20, 200)


def test_questions_are_cut_by_article_and_other_corpora_are_shifts(tmp_path: Path) -> None:
    found = Squad().splits(MadeUp(tmp_path, write=articles))
    (path,) = tmp_path.rglob("squaddev_v1.1.json")
    expected = cut_by_group(read_squad(path), 0.6, 0.15, "squad")
    assert (found.train, found.validation, found.test) == (expected.train, expected.validation, expected.test)
    assert sizes(found) == (120, 30, 50)
    assert {name: rows[0].group for name, rows in found.shift.items()} == {
        "new-wiki": "new_wiki_v1.0 0",
        "nyt": "nyt_v1.0 0",
        "amazon": "amazon_reviews_v1.0 0",
        "reddit": "reddit_v1.0 0",
    }
