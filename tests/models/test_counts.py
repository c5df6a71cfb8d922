"""Linear models on TF-IDF against plain pipelines of scikit-learn, and on texts without words to count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import Pipeline, make_pipeline

from bench.contracts import BenchError, LabelsExample, NumberExample, Recipe, Splits, TextExample
from bench.models import counts
from bench.models.counts import INVERSE_PENALTIES, Decoding, Linear, fit
from tasks.classification import Classification
from tasks.multilabel import MultiLabel
from tasks.regression import Regression

TOPICS = {
    "10": ["goal", "match", "team", "player", "season", "win", "league", "coach"],
    "2": ["market", "share", "price", "bank", "profit", "stock", "trade", "rate"],
    "none": ["planet", "star", "orbit", "moon", "comet", "light", "space", "probe"],
}
COMMON = ["the", "a", "of", "to", "in", "and", "that", "was", "with", "today"]


class Texts(Classification):
    name = "texts"
    summary = "Texts with a label"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


class Sets(MultiLabel):
    name = "sets"
    summary = "Texts with labels"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


class Numbers(Regression):
    name = "numbers"
    summary = "Texts with a number"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


def drawn(count: int, topics: Sequence[str], seed: int = 0) -> list[tuple[str, str]]:
    """Texts with their topic: some words of it, some of another, and common ones."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        topic, other = rng.choice(topics, 2)
        words = [*rng.choice(TOPICS[topic], 3), *rng.choice(TOPICS[other], 2), *rng.choice(COMMON, 5)]
        found.append((" ".join(rng.permutation(words)), str(topic)))
    return found


def cut(rows: Sequence[Any]) -> Splits:
    return Splits(rows[: len(rows) // 2], rows[len(rows) // 2 : -60], rows[-60:])


def answered(task: Any, rows: Splits, recipe: Recipe | None = None) -> tuple[Linear, list[Any]]:
    """The model and its predictions on the test rows."""
    recipe = recipe or Recipe()
    labels = task.labels(rows.train)
    decoding = Decoding(task, rows, labels, recipe)
    model = fit(rows.train, labels, recipe, decoding.score)
    decoding = decoding.chosen_on(model.logits(rows.validation))
    return model, decoding.predictions(model.logits(rows.test), rows.test)


def pipeline(model: Any, **changes: Any) -> Pipeline:
    options = {"token_pattern": r"(?u)\w+", "ngram_range": (1, 2), **changes}
    return make_pipeline(TfidfVectorizer(sublinear_tf=True, max_features=200_000, **options), model)


def texts(rows: Sequence[Any]) -> list[str]:
    return [f"{row.text}\n{row.pair}" if row.pair else row.text for row in rows]


def names(rows: Sequence[Any]) -> list[str]:
    return [row.label for row in rows]


def best_plain(rows: Splits, **changes: Any) -> tuple[float, Pipeline]:
    """The plain pipeline with the highest validation accuracy, the most penalised of equals."""
    tried = [
        (
            c,
            pipeline(LogisticRegression(C=c, max_iter=1000), **changes).fit(
                texts(rows.train), names(rows.train)
            ),
        )
        for c in INVERSE_PENALTIES
    ]
    scores = [accuracy_score(names(rows.validation), p.predict(texts(rows.validation))) for _, p in tried]
    return tried[int(np.argmax(scores))]


@pytest.mark.parametrize("topics", [("10", "2"), ("10", "2", "none")])
@pytest.mark.parametrize("pairs", [False, True])
def test_labels_are_those_of_a_plain_pipeline(topics: tuple[str, ...], pairs: bool) -> None:
    found = drawn(300, topics)
    rows = cut(
        [
            TextExample(str(n), text, label, pair=text[::-1] if pairs else "")
            for n, (text, label) in enumerate(found)
        ]
    )
    model, said = answered(Texts(), rows)
    strength, plain = best_plain(rows)
    assert model.inverse_penalty == strength
    assert said == plain.predict(texts(rows.test)).tolist()
    assert len(set(said)) == len(topics)
    assert accuracy_score(names(rows.test), said) > 1.5 / len(topics)


def test_sets_of_labels_are_those_of_a_pipeline_for_each_label() -> None:
    first, second = drawn(300, tuple(TOPICS)), drawn(300, tuple(TOPICS), seed=1)
    rows = cut(
        [
            LabelsExample(str(n), f"{a} {b}", tuple(sorted({one, other})))
            for n, ((a, one), (b, other)) in enumerate(zip(first, second, strict=True))
        ]
    )
    model, said = answered(Sets(), rows)
    inputs = [row.text for row in rows.train]
    for label in TOPICS:
        plain = pipeline(LogisticRegression(C=model.inverse_penalty, max_iter=1000))
        plain.fit(inputs, [label in row.labels for row in rows.train])
        expected = plain.predict([row.text for row in rows.test]).tolist()
        assert [label in found.labels for found in said] == expected


def test_a_threshold_is_chosen_on_the_validation_rows_as_for_a_trained_head() -> None:
    found = drawn(300, tuple(TOPICS))
    rows = cut([LabelsExample(str(n), text, (label,)) for n, (text, label) in enumerate(found)])
    model, said = answered(Sets(), rows, Recipe(threshold="validation"))

    def above(threshold: float, part: Sequence[Any]) -> np.ndarray:
        return 1 / (1 + np.exp(-model.logits(part))) > threshold

    gold = np.array([[label in row.labels for label in TOPICS] for row in rows.validation])
    steps = sorted((step / 20 for step in range(1, 20)), key=lambda step: abs(step - 0.5))
    best = max(steps, key=lambda step: f1_score(gold.ravel(), above(step, rows.validation).ravel()))
    assert best != 0.5
    expected = [
        [label for label, yes in zip(TOPICS, row, strict=True) if yes] for row in above(best, rows.test)
    ]
    assert [list(labels.labels) for labels in said] == expected


def test_numbers_are_those_of_ridge_regression() -> None:
    found = drawn(300, tuple(TOPICS))
    values = {"10": 1.0, "2": 250.0, "none": -30.0}
    rows = cut([NumberExample(str(n), text, values[label]) for n, (text, label) in enumerate(found)])
    model, said = answered(Numbers(), rows)
    plain = pipeline(Ridge(alpha=1 / model.inverse_penalty))
    plain.fit([row.text for row in rows.train], [row.number for row in rows.train])
    assert said == pytest.approx(plain.predict([row.text for row in rows.test]).tolist(), rel=1e-4, abs=1e-2)


def test_balanced_classes_are_weighted_as_scikit_learn_does() -> None:
    found = [item for n, item in enumerate(drawn(400, ("10", "2"))) if item[1] == "2" or n % 6 == 0]
    rows = cut([TextExample(str(n), text, label) for n, (text, label) in enumerate(found)])
    model, said = answered(Texts(), rows, Recipe(class_weights="balanced"))
    weighted = LogisticRegression(C=model.inverse_penalty, class_weight="balanced", max_iter=1000)
    plain = pipeline(weighted).fit(texts(rows.train), names(rows.train))
    assert said == plain.predict(texts(rows.test)).tolist()
    unweighted = pipeline(LogisticRegression(C=model.inverse_penalty, max_iter=1000))
    unweighted.fit(texts(rows.train), names(rows.train))
    assert said != unweighted.predict(texts(rows.test)).tolist()


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("😀😀 😍", "😡 😡 👎"),  # no word at all
        ("质量很好", "质量很差"),  # no blanks
        (
            "这个产品的质量非常好我喜欢, 下次还会再来购买的, 推荐给大家一起用",
            "太差了我再也不会买这样的东西, 服务态度非常恶劣真的, 千万不要上当受骗啊",
        ),
        ("ok", "no"),  # a word a text
        ("!!! ... +++", "??? --- ///"),
    ],
)
def test_characters_stand_for_words_where_there_are_few(good: str, bad: str) -> None:
    found = [TextExample(str(n), good if n % 2 else bad, "good" if n % 2 else "bad") for n in range(160)]
    rows = cut(found)
    model, said = answered(Texts(), rows)
    assert model.vectors is not None
    assert model.vectors.analyzer == "char"
    assert said == names(rows.test)


@pytest.mark.parametrize("text", ["", "the same text everywhere"])
def test_texts_that_say_nothing_give_the_majority_label(text: str) -> None:
    rows = cut([TextExample(str(n), text, "rare" if n % 4 == 0 else "usual") for n in range(160)])
    _, said = answered(Texts(), rows)
    assert set(said) == {"usual"}


def test_one_label_alone_is_predicted_without_a_model() -> None:
    rows = cut([TextExample(str(n), f"text number {n}", "only") for n in range(160)])
    model, said = answered(Texts(), rows)
    assert set(said) == {"only"}
    assert model.parameters == 0


def test_a_label_that_all_rows_have_needs_no_model() -> None:
    found = drawn(200, ("10", "2"))
    rows = cut([LabelsExample(str(n), text, ("all", label)) for n, (text, label) in enumerate(found)])
    _, said = answered(Sets(), rows)
    assert all("all" in labels.labels for labels in said)
    assert said[0].names == ("10", "2", "all")


def test_of_many_rows_the_penalty_is_chosen_on_some_and_the_model_learns_from_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows that a file has in the order of their labels too."""
    found = sorted(drawn(300, ("10", "2")), key=lambda item: item[1])
    train = [TextExample(str(n), text, label) for n, (text, label) in enumerate(found)]
    rows = Splits(train, train[::5], train[::7])
    monkeypatch.setattr(counts, "SEARCHED", 40)
    model, said = answered(Texts(), rows)
    plain = pipeline(LogisticRegression(C=model.inverse_penalty, max_iter=1000))
    assert said == plain.fit(texts(train), names(train)).predict(texts(rows.test)).tolist()


def test_rows_without_a_label_or_a_number_are_refused() -> None:
    with pytest.raises(BenchError) as error:
        fit([Row("1", "some text of a plug-in")], ("a",), Recipe(), lambda _: 0.0)
    assert error.value.code == "counts-need-texts"


class Row:
    """A row of a plug-in's own."""

    def __init__(self, id: str, text: str) -> None:
        self.id, self.text, self.pair = id, text, ""
