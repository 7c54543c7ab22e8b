"""claim and answer: the verdict is computed, anything else is refused, text and HTML say the same."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from latentlab import course
from latentlab.course import claims, render


@pytest.fixture
def book(monkeypatch):
    """A small ledger in place of the real one."""
    entries = {
        "claims": {
            "T-1": {"statement": "Losses < 1 fall.", "verdict": "confirmed", "notebook": "01_t"},
            "T-2": {"statement": "Open still.", "verdict": "open", "notebook": "01_t"},
        },
        "answers": {"T-Q": {"question": "How many?", "answer": "3", "notebook": "01_t"}},
    }
    monkeypatch.setattr(claims, "ledger", lambda: entries)
    return entries


# ---- claim: the verdict ----


@pytest.mark.parametrize("truth", [True, np.bool_(True), np.array(True), torch.tensor(True), torch.tensor(1.0) > 0])
def test_truth_may_come_from_python_numpy_or_torch(book, truth):
    assert course.claim("T-1", parts={"a": truth}) == "confirmed"
    assert course.claim("T-1", parts={"a": truth, "b": not truth}) == "refuted"


@pytest.mark.parametrize(
    ("conditions", "parts", "cases"),
    [
        ([True], "confirmed", "confirmed"),
        ([True, True], "confirmed", "confirmed"),
        ([True, False], "refuted", "depends"),
        ([False, True, True], "refuted", "depends"),
        ([False, False], "refuted", "refuted"),
        ([False], "refuted", "refuted"),
    ],
)
def test_verdicts_of_parts_and_cases(book, conditions, parts, cases):
    named = {f"condition {i}": holds for i, holds in enumerate(conditions)}
    assert course.claim("T-1", parts=named) == parts
    assert course.claim("T-1", cases=named) == cases


def test_undecidable_needs_a_reason(book, capsys):
    assert course.claim("T-1", undecidable="The figure is lost.", see={"instead": "a map"}) == "undecidable"
    out = capsys.readouterr().out
    assert "undecidable – The figure is lost." in out and "instead: a map" in out
    with pytest.raises(TypeError, match="must be the reason"):
        course.claim("T-1", undecidable="  ")
    with pytest.raises(TypeError, match="must be the reason"):
        course.claim("T-1", undecidable=True)


@pytest.mark.parametrize("bad", [1, 0, 0.5, None, "True", [], torch.tensor(1), np.float64(1), lambda: True])
def test_a_condition_that_is_no_truth_value_is_refused(book, bad):
    with pytest.raises(TypeError, match=r"'a' must be true or false but is a .*compare it with something"):
        course.claim("T-1", parts={"a": bad})


@pytest.mark.parametrize("bad", [torch.tensor([True]), np.array([True, False])])
def test_an_array_is_refused_with_advice(book, bad):
    with pytest.raises(TypeError, match=r"reduce it with \.all\(\)"):
        course.claim("T-1", cases={"a": bad})


@pytest.mark.parametrize("bad", [{}, [], True, "confirmed", [("a", True)]])
def test_a_typed_or_empty_verdict_is_refused(book, bad):
    with pytest.raises(TypeError, match="non-empty dict"):
        course.claim("T-1", parts=bad)
    with pytest.raises(TypeError, match="non-empty dict"):
        course.claim("T-1", cases=bad)


def test_exactly_one_kind_of_evidence_and_named_conditions(book):
    with pytest.raises(TypeError, match="exactly one"):
        course.claim("T-1")
    with pytest.raises(TypeError, match="exactly one"):
        course.claim("T-1", parts={"a": True}, cases={"a": True})
    with pytest.raises(TypeError, match="in words"):
        course.claim("T-1", parts={5: True})


def test_an_unknown_id_names_its_neighbours():
    with pytest.raises(KeyError, match=r"Nearest: V-Q2\.[0-9], V-Q2\.[0-9], V-Q2\.[0-9]\."):
        course.claim("V-Q2.9", parts={"a": True})
    with pytest.raises(KeyError, match=r"Nearest: .*A-1\.1\.1"):
        course.claim("A1.1.1", parts={"a": True})
    with pytest.raises(KeyError, match=r"claims\.toml\)\.'?\"?$"):
        course.claim("?", parts={"a": True})
    with pytest.raises(KeyError, match=r"Nearest: C-7a\(i\), C-7a\(ii\)"):
        course.answer("C-7a", 1)
    with pytest.raises(KeyError, match=r"call answer\(\)"):
        course.claim("V-Q1", parts={"a": True})
    with pytest.raises(KeyError, match=r"call claim\(\)"):
        course.answer("V-Q2.1", 1)


# ---- claim and answer: what is shown ----


def test_text_names_the_failing_part_and_the_ledger(book, capsys):
    course.claim("T-1", parts={"it falls": True, "it is low": False}, see={"loss": "≈ 0.3"}, note="Over 3 seeds.")
    assert capsys.readouterr().out.splitlines() == [
        "T-1  Losses < 1 fall.",
        "  ✓ it falls",
        "  ✗ it is low",
        "  loss: ≈ 0.3",
        "  Over 3 seeds.",
        "Verdict: refuted – fails: it is low (the ledger says confirmed)",
    ]
    course.claim("T-1", cases={"d = 1": True, "d = 2": True})
    assert capsys.readouterr().out.endswith("Verdict: confirmed – true in all 2 cases (as in the ledger)\n")
    course.claim("T-2", cases={"d = 1": True, "d = 2": False})
    assert capsys.readouterr().out.endswith("Verdict: depends – true in 1 of 2 cases (the ledger is still open)\n")


def test_answer_compares_with_the_ledger_as_text(book, capsys):
    assert course.answer("T-Q", 3) == True  # noqa: E712  (an Agreement, equal to True)
    assert "Answer: 3 (as in the ledger)" in capsys.readouterr().out
    assert not course.answer("T-Q", "4")
    assert "Answer: 4 (the ledger says 3)" in capsys.readouterr().out
    for empty in (None, "", "  "):
        with pytest.raises(TypeError, match="needs a value"):
            course.answer("T-Q", empty)


class Outline(HTMLParser):
    """The text of a page, marks as the words a screen reader says; fails on unbalanced tags."""

    def __init__(self, page):
        super().__init__()
        self.open, self.words, self.silent = [], [], 0
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        label = dict(attrs).get("aria-label") if dict(attrs).get("role") == "img" else None
        self.silent = len(self.open) if label else self.silent
        self.words += [label] if label else []

    def handle_endtag(self, tag):
        if len(self.open) == self.silent:
            self.silent = 0
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += [] if self.silent else [data]


@pytest.mark.parametrize("result", ["confirmed", "refuted", "depends", "undecidable"])
def test_html_says_in_words_what_the_text_says(result):
    conditions = {"it <falls>": True, "low": False}
    card = render.Card("claim", "T-1", "a < b & c", conditions, {"probe": "≈ 86.2 %"}, "n", result, "why", result)
    page = render.card_html(card)
    heard = " ".join(" ".join(Outline(page).words).split())
    assert (
        heard
        == f"T-1 a < b & c holds it <falls> fails low probe: ≈ 86.2 % n Verdict: {result} – why (as in the ledger)"
    )
    # No text colour and no background of our own: readable in dark and light alike.
    assert set(re.findall(r"(?<![\w-])(?:color|background):([^;\"]+)", page)) == {"inherit", "transparent"}
    # Apart from colour nothing differs that the words do not say.
    plain = render.card_html(render.Card(*list(vars(card).values())[:6], "other", "why", "other"))
    assert re.sub("#[0-9a-f]{6}", "", page) == re.sub("#[0-9a-f]{6}", "", plain).replace("other", result)


def test_a_table_of_verdicts_says_the_note_and_where_the_ledger_differs():
    noted = render.Card("claim", "T-1", "One.", {"a": True}, {}, "Noted.", "confirmed", "why", "confirmed")
    other = render.Card("claim", "T-2", "Two.", {}, {}, "", "refuted", "fails", "confirmed")
    page = " ".join(Outline(render.cards_html("Both", [noted, other])).words)
    assert "One. Noted. what was tested holds  a confirmed T-2" in page
    assert page.endswith("Two. fails refuted  (the ledger says confirmed)")


def test_table_columns_do_not_move_with_the_last_one():
    short = render.table_text(["", "report", "live"], [["probe", "72.42 %", "≈ 9.1 %"]])
    long = render.table_text(["", "report", "live"], [["probe", "72.42 %", "≈ 86.25 %"]])
    assert short.splitlines()[:2] == long.splitlines()[:2]
    assert Outline(render.table_html(["", "a"], [["<x>", "1"]], "c&d")).words == ["c&d", "a", "<x>", "1"]
