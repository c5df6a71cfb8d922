"""SQuAD 2.0: scores exactly as the official script's, and its choice of the threshold of the null score."""

from __future__ import annotations

import collections
import json
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.statistics.metrics import ratios
from bench.contracts import BenchError, QuestionExample, Recipe, Splits
from bench.data.null_answers import answered, best_threshold
from bench.data.windows import null_margins
from tasks.unanswerable import UnanswerableQA
from tests.support.user_files import all_rows, opened

RECIPE = Recipe(max_length=16, stride=4)


class Questions(UnanswerableQA):
    name = "questions"
    summary = "Questions on paragraphs, some without an answer"

    def splits(self, sources: Any) -> Splits:
        raise NotImplementedError


TASK = Questions()

# evaluate-v2.0.py of the data set's authors (Rajpurkar et al. 2018), the functions that score


def normalize_answer(s):
    def remove_articles(text):
        return re.sub(re.compile(r"\b(a|an|the)\b", re.UNICODE), " ", text)

    def remove_punc(text):
        return "".join(ch for ch in text if ch not in set(string.punctuation))

    return " ".join(remove_articles(remove_punc(s.lower())).split())


def get_tokens(s):
    return normalize_answer(s).split() if s else []


def compute_exact(a_gold, a_pred):
    return int(normalize_answer(a_gold) == normalize_answer(a_pred))


def compute_f1(a_gold, a_pred):
    gold_toks, pred_toks = get_tokens(a_gold), get_tokens(a_pred)
    common = collections.Counter(gold_toks) & collections.Counter(pred_toks)
    num_same = sum(common.values())
    if len(gold_toks) == 0 or len(pred_toks) == 0:
        return int(gold_toks == pred_toks)
    if num_same == 0:
        return 0
    precision, recall = 1.0 * num_same / len(pred_toks), 1.0 * num_same / len(gold_toks)
    return (2 * precision * recall) / (precision + recall)


def raw_scores(golds, preds):
    exact, f1 = {}, {}
    for qid, answers in golds.items():
        gold_answers = [a for a in answers if normalize_answer(a)] or [""]
        exact[qid] = max(compute_exact(a, preds[qid]) for a in gold_answers)
        f1[qid] = max(compute_f1(a, preds[qid]) for a in gold_answers)
    return exact, f1


def find_best_thresh(preds, scores, na_probs, qid_to_has_ans):
    num_no_ans = sum(1 for k in qid_to_has_ans if not qid_to_has_ans[k])
    cur_score = num_no_ans
    best_score, best_thresh = cur_score, 0.0
    for qid in sorted(na_probs, key=lambda k: na_probs[k]):
        if qid not in scores:
            continue
        diff = scores[qid] if qid_to_has_ans[qid] else -1 if preds[qid] else 0
        cur_score += diff
        if cur_score > best_score:
            best_score, best_thresh = cur_score, na_probs[qid]
    return 100.0 * best_score / len(scores), best_thresh


ANSWER = st.lists(st.sampled_from(["The", "a", "Cat", "cat.", "mat", "--", "É"]), max_size=4).map(" ".join)
SCORED = st.lists(st.tuples(ANSWER, st.lists(ANSWER.filter(str.strip), max_size=3)), min_size=1, max_size=15)


def questions(golds: list[list[str]]) -> list[QuestionExample]:
    return [
        QuestionExample(str(n), "who", "x", tuple((text, 0) for text in texts))
        for n, texts in enumerate(golds)
    ]


@settings(deadline=None, max_examples=150)
@given(SCORED)
def test_scores_are_those_of_the_official_script(rows):
    examples, said = questions([golds for _, golds in rows]), [prediction for prediction, _ in rows]
    exact, f1 = raw_scores({n: golds for n, (_, golds) in enumerate(rows)}, dict(enumerate(said)))
    has = [n for n, (_, golds) in enumerate(rows) if golds]
    none = [n for n in exact if n not in has]

    def mean(scores, which):
        return sum(scores[n] for n in which) / len(which) if which else 0.0

    scores = TASK.score(examples, said)
    assert scores["accuracy"] == pytest.approx(mean(exact, exact), abs=1e-12)
    assert scores["f1"] == pytest.approx(mean(f1, f1), abs=1e-12)
    assert scores["has_answer_exact"] == pytest.approx(mean(exact, has), abs=1e-12)
    assert scores["has_answer_f1"] == pytest.approx(mean(f1, has), abs=1e-12)
    assert scores["no_answer"] == pytest.approx(mean(exact, none), abs=1e-12)
    columns = {name: np.array(values) for name, values in TASK.columns(examples, said).items()}
    for metric in TASK.metrics:
        assert ratios(metric, columns).score() == pytest.approx(scores[metric.name], abs=1e-12)


@settings(deadline=None, max_examples=150)
@given(SCORED, st.data())
def test_the_threshold_is_as_good_as_the_official_one(rows, data):
    """Distinct margins; the official script has no order among equal ones. It never lowers its threshold to
    none. Where two thresholds are equally good, its rounding decides between them."""
    margins = np.array(data.draw(st.permutations(range(1, len(rows) + 1))), float)
    said = [prediction if normalize_answer(prediction) else "dog" for prediction, _ in rows]
    golds = [[text for text in golds if normalize_answer(text)] for _, golds in rows]
    examples = questions(golds)
    chosen = best_threshold(examples, said, margins)
    found = TASK.score(examples, answered(said, margins, chosen))["f1"]
    _, f1 = raw_scores(dict(enumerate(golds)), dict(enumerate(said)))
    best, thresh = find_best_thresh(
        dict(enumerate(said)), f1, dict(enumerate(margins)), {n: bool(texts) for n, texts in enumerate(golds)}
    )
    assert 100 * found == pytest.approx(best)
    official = TASK.score(examples, answered(said, margins, thresh))["f1"]
    assert found == pytest.approx(official, abs=1e-12)


def test_equal_margins_are_answered_together():
    examples = questions([["cat"], []])
    chosen = best_threshold(examples, ["cat", "cat"], np.array([1.0, 1.0]))
    assert answered(["cat", "cat"], np.array([1.0, 1.0]), chosen) in (["cat", "cat"], ["", ""])


def test_the_null_score_of_a_question_is_the_least_of_its_windows(wordpiece):
    context = " ".join(["the movie was good"] * 6)
    rows = [QuestionExample("0", "who", context, ()), QuestionExample("1", "who", "ada lives", (("ada", 0),))]
    encoded = TASK.encode(rows, wordpiece, (), RECIPE)
    assert (encoded.targets[encoded.example == 0] == 0).all()
    assert (encoded.targets[encoded.example == 1] > 0).all()
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(len(encoded.tokens), 2)).astype(np.float32)
    answers, margins = null_margins(logits, encoded, rows)
    for number in range(2):
        windows = [n for n in range(len(encoded)) if encoded.example[n] == number]
        null = min(float(logits[encoded.offsets[n]].sum()) for n in windows)
        best = max(
            float(logits[a, 0] + logits[b, 1])
            for n in windows
            for a in range(encoded.offsets[n], encoded.offsets[n + 1])
            for b in range(a, min(a + 30, encoded.offsets[n + 1]))
            if encoded.spans[a, 0] >= 0 and encoded.spans[b, 0] >= 0
        )
        assert margins[number] == pytest.approx(null - best, abs=1e-5)
    fitted = TASK.fitted(logits, encoded, rows, (), RECIPE)
    said = fitted.decode(logits, encoded, rows, ())
    assert set(fitted.chosen) == {"null_threshold"}
    assert said == answered(answers, margins, fitted.chosen["null_threshold"])
    assert TASK.chosen == {}


@pytest.mark.parametrize(
    ("threshold", "said"),
    [(None, ["ada", ""]), (0.0, ["ada", ""]), (0.5, ["ada", ""]), (1.0, ["ada", "paris"]), (-0.5, ["", ""])],
)
def test_a_question_is_answered_up_to_the_threshold_of_its_null_score(threshold, said, wordpiece):
    """Margins are -0.25 and 0.75; before a threshold is chosen it is zero."""
    rows = [QuestionExample(str(n), "who", text, ((text, 0),)) for n, text in enumerate(("ada", "paris"))]
    encoded = TASK.encode(rows, wordpiece, (), RECIPE)
    logits = np.full((len(encoded.tokens), 2), -10, np.float32)
    for window, null in enumerate((-0.25, 0.75)):
        first, last = encoded.offsets[window] + encoded.targets[window]
        logits[first, 0] = logits[last, 1] = 1
        logits[encoded.offsets[window]] = 1 + null / 2
    _, margins = null_margins(logits, encoded, rows)
    assert margins.tolist() == [-0.25, 0.75]
    assert Questions(threshold).decode(logits, encoded, rows, ()) == said


@pytest.mark.parametrize("threshold", [None, 0.0, 2.5])
def test_a_threshold_is_said_where_there_is_one(threshold):
    assert Questions(threshold).chosen == ({} if threshold is None else {"null_threshold": threshold})


def squad_2(path: Path) -> Path:
    paragraphs = [
        {
            "context": f"Ann {n} lives in Rome.",
            "qas": [
                {
                    "id": f"a{n}",
                    "question": "Where?",
                    "answers": [{"text": "Rome", "answer_start": 13 + len(str(n))}],
                },
                {"id": f"b{n}", "question": "Why?", "answers": [], "is_impossible": True},
            ],
        }
        for n in range(30)
    ]
    path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    return path


def test_a_users_file_of_that_layout_keeps_every_question(tmp_path: Path) -> None:
    found = opened(squad_2(tmp_path / "a.json"))
    assert found.data.adapter == "unanswerable"
    assert any("where 30 questions have no answer" in note for note in found.notes)
    assert sum(not row.answers for row in all_rows(found)) == 30
    plain = opened(squad_2(tmp_path / "a.json"), adapter="qa")
    assert len(all_rows(plain)) == 30
    assert any("--adapter unanswerable keeps such rows" in note for note in plain.notes)


def test_a_file_in_which_no_question_has_an_answer_is_refused(tmp_path: Path) -> None:
    rows = [{"question": "Where?", "context": f"Ann {n} lives in Rome.", "answers": []} for n in range(40)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(BenchError) as error:
        opened(path)
    assert error.value.code == "constant-label"


def test_a_table_with_empty_lists_of_answers_keeps_every_question(tmp_path: Path) -> None:
    rows = [
        {
            "question": "Where?",
            "context": f"Ann {n} lives in Rome.",
            "answers": {"text": ["Rome"] * (n % 2), "answer_start": [13 + len(str(n))] * (n % 2)},
        }
        for n in range(40)
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    found = opened(path)
    assert found.data.adapter == "unanswerable"
    assert sum(not row.answers for row in all_rows(found)) == 20
