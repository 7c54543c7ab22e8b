"""Exercises and predictions: right in any form, wrong with the hint it deserves, and the notebook runs on."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from latentlab import course
from latentlab.course import exercises as room
from latentlab.course.exercises.kinds import Exercise, fault, normal, questions
from latentlab.course.exercises.respond import respond


def cosine(a, b):
    return a @ b / (a.norm() * b.norm())


COSINE = Exercise(
    "T.a", cosine, lambda g: normal(g, 4, 4),
    {"the lengths are missing: divide by both norms": lambda a, b: a @ b}, gradient=True,
)  # fmt: skip


def wrong(function):
    asked = questions(COSINE, seed=1)
    return fault(COSINE, asked, [respond(function, inputs, True) for inputs in asked])


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (cosine, ""),
        (lambda a, b: torch.nn.functional.cosine_similarity(a, b, dim=0), ""),
        (lambda a, b: a @ b, "The lengths are missing"),
        (lambda a, b: -cosine(a, b), "sign is wrong"),
        (lambda a, b: 3 * cosine(a, b), "3 times too large"),
        (lambda a, b: cosine(a, b)[None], r"shape is (1,), expected ()"),
        (lambda a, b: cosine(a, b).detach(), "gradient detached"),
        (lambda a, b: cosine(a, b) / 0, "NaN or infinity"),
        (lambda a, b: (cosine(a, b), 1.0), "returns 4 values, expected 3"),
        (lambda a, b: cosine(a, b) + 0.5, "times too"),
    ],
)
def test_a_wrong_answer_is_told_what_kind_of_mistake_it_looks_like(function, words):
    said = wrong(function)
    assert words in said and bool(said) == bool(words)


def test_a_transposed_answer_is_told_so_and_dicts_are_compared_by_their_keys():
    pair = Exercise("T.c", lambda x: {"a": x, "b": x.sum()}, lambda g: normal(g, (3, 3), dtype=torch.float64), {})
    (inputs,) = asked = questions(pair, seed=0, count=1)[:1]
    assert inputs[0].dtype == torch.float64
    assert "columns are swapped" in fault(pair, asked, pair.responses(lambda x: {"b": x.sum(), "a": x.T}, asked))
    assert fault(pair, asked, pair.responses(lambda x: {"b": x.sum(), "a": x}, asked)) == ""


def test_the_inputs_are_copied():
    x = torch.ones(3)
    respond(lambda v: v.mul_(2), (x,))
    assert torch.equal(x, torch.ones(3))
    with pytest.raises(TypeError, match="returns nothing"):
        respond(lambda v: None, (x,))


def test_check_hands_back_what_to_go_on_with(monkeypatch, capsys):
    monkeypatch.setattr(room, "exercises", lambda: {"T.a": COSINE})
    mine = lambda a, b: cosine(b, a)  # noqa: E731
    assert course.check("T.a", mine) is mine
    assert capsys.readouterr().out == "✓ Exercise T.a: right.\n"

    def empty(a, b):
        raise NotImplementedError

    def broken(a, b):
        return a @ undefined  # noqa: F821

    for function, words in ((empty, "waits for your lines"), (None, "Nothing is written"), (broken, "NameError")):
        assert course.check("T.a", function) is cosine
        said = capsys.readouterr().out
        assert words in said and "course's own cosine" in said
    with pytest.raises(KeyError, match="no exercise 'T.b'"):
        course.check("T.b", mine)


def test_every_exercise_solves_itself_and_refuses_its_known_mistakes():
    files = {path.stem for path in Path(room.__file__).parent.glob("*.py")} - {"__init__", "kinds", "respond"}
    assert set(room.NOTEBOOKS) == files, "a file's exercises count once its notebook is named"
    defined = [e.id for file in files for e in importlib.import_module(f"{room.__name__}.{file}").EXERCISES]
    assert sorted(defined) == sorted(room.exercises()), "no two exercises share an id"
    assert {e.notebook for e in room.exercises().values()} == set(room.NOTEBOOKS.values())
    for exercise in room.exercises().values():
        asked = questions(exercise, seed=3)
        right = [respond(exercise.solution, inputs, exercise.gradient) for inputs in asked]
        assert fault(exercise, asked, right) == "", exercise.id
        assert len(exercise.mistakes) >= 2, exercise.id
        for hint, variant in exercise.mistakes.items():
            given = [respond(variant, inputs, exercise.gradient) for inputs in asked]
            assert fault(exercise, asked, given), f"{exercise.id}: the mistake {hint!r} passes"


def test_no_seed_lets_a_guess_or_a_known_mistake_pass():
    rare = Exercise(
        "T.b", lambda n: float(n > 9), lambda g: (int(torch.randint(11, (), generator=g)),),
        {"always no": lambda n: 0.0, "one too early": lambda n: float(n > 8)},
    )  # fmt: skip
    for seed in range(20):
        asked = questions(rare, seed)
        for guess in (lambda n: 0.0, lambda n: 1.0, lambda n: float(n > 8)):
            assert fault(rare, asked, [respond(guess, inputs) for inputs in asked]), seed
    assert questions(COSINE, seed=4)[0][0].tolist() == questions(COSINE, seed=4)[0][0].tolist()
    assert len(questions(COSINE, seed=4)) == 5


def test_predictions_come_back_beside_the_outcome(capsys):
    course.predict("t", "Which is larger?", ("a", "b"), yours="a")
    course.outcome("t", "b")
    assert "you said: a – a surprise" in capsys.readouterr().out
    course.predict("t", "Which is larger?", ("a", "b"), yours=None)
    course.outcome("t", "b")
    assert "you made no guess" in capsys.readouterr().out
    course.predict("t", "How many?", yours=1234)
    course.outcome("t", "1234")
    assert "you said: 1234 – as you said" in capsys.readouterr().out
    with pytest.raises(ValueError, match="none of the options"):
        course.predict("t", "Which?", ("a", "b"), yours="c")
    with pytest.raises(KeyError, match="nobody"):
        course.outcome("nobody", 1)


def test_numbers_of_any_kind_are_arrays():
    assert [a.dtype for a in respond(lambda: (1, np.float32(2), True, torch.ones(1, dtype=torch.int64)), ())] == [
        np.float64
    ] * 4
