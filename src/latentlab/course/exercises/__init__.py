"""Exercises: one file per notebook says what is asked; `check` tells at once whether an answer is right."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from .. import render
from .kinds import Exercise, fault, questions
from .respond import respond

__all__ = ["Exercise", "check", "exercises"]
HELPERS = ("kinds", "respond")


@cache
def exercises() -> dict[str, Exercise]:
    """Every exercise of the course by its id. Raises ValueError if two share one."""
    modules = (m.name for m in pkgutil.iter_modules(__path__) if m.name not in HELPERS)
    found: dict[str, Exercise] = {}
    for exercise in (e for name in modules for e in importlib.import_module(f"{__name__}.{name}").EXERCISES):
        if exercise.id in found:
            raise ValueError(f"Two exercises are called {exercise.id!r}.")
        found[exercise.id] = exercise
    return found


def check(id: str, function: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Say whether `function` solves exercise `id`, and what kind of mistake it looks like; return the one to go on with.

    That is yours if it is right; else the package's own, so that the notebook runs on. Raises KeyError for an unknown id.
    """
    if id not in exercises():
        raise KeyError(f"There is no exercise {id!r}; there is {', '.join(sorted(exercises()))}.")
    exercise = exercises()[id]
    wrong = _wrong(exercise, function)
    mark, word = render.MARKS[not wrong]
    text = f"Exercise {id}: right." if not wrong else f"Exercise {id}: not yet. {wrong}"
    if wrong:
        text += f" The cells below use the course's own {exercise.name}."
    html = f'<p><span role="img" aria-label="{word}">{mark}</span> {render.escape(text)}</p>'
    render.show(f"{mark} {text}", html)
    if wrong and os.environ.get("NBGRADER_EXECUTION") == "autograde":  # nbgrader takes a cell that does not stop for right
        raise AssertionError(text)
    return exercise.solution if wrong else function


def _wrong(exercise: Exercise, function: Callable[..., Any] | None) -> str:
    """What is wrong with an answer, in a sentence; empty if nothing is."""
    if function is None:
        return "Nothing is written yet."
    asked = questions(exercise, seed=0)
    try:
        given = [respond(function, inputs, exercise.gradient) for inputs in asked]
    except NotImplementedError:
        return "It still waits for your lines."
    except Exception as problem:  # noqa: BLE001 - whatever a student's code raises is told, and the notebook goes on
        return f"It stops with {type(problem).__name__}: {problem}"
    return fault(exercise, asked, given)
