"""Exercises: one file per notebook says what is asked; `check` tells at once whether an answer is right."""

import importlib
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from .. import render
from .kinds import Exercise, fault, questions

NOTEBOOKS = {  # by the file that holds its exercises
    "start": "00_start_here", "vicreg": "01_vicreg", "ablations": "02_vicreg_ablations",
    "retrieval": "03_retrieval_anomalies_clusters", "autoencoder": "04_autoencoder", "calculus": "05_calculus_checks",
    "contrastive_theory": "06_contrastive_theory", "shapes": "07_shapes", "autoregressive": "08_autoregressive",
    "flows": "09_flows", "vae": "10_vae", "gan": "11_gan", "simclr_review": "12_simclr_review", "fast": "13_fast",
}  # fmt: skip


@cache
def exercises() -> dict[str, Exercise]:
    """Every exercise of the course by its id."""
    files = {notebook: importlib.import_module(f"{__name__}.{name}") for name, notebook in NOTEBOOKS.items()}
    return {e.id: replace(e, notebook=notebook) for notebook, file in files.items() for e in file.EXERCISES}


def check(id: str, function: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """Say whether `function` solves exercise `id`, or what mistake it looks like; return the one to go on with.

    That is yours if it is right; else the package's own: the notebook runs on. Raises KeyError for an unknown id.
    """
    if id not in exercises():
        raise KeyError(f"There is no exercise {id!r}; there is {', '.join(sorted(exercises()))}.")
    exercise = exercises()[id]
    wrong = _wrong(exercise, function)
    verdict = f"not yet. {wrong} The cells below use the course's own {exercise.name}." if wrong else "right."
    text = f"Exercise {id}: {verdict}"
    render.show(f"{render.mark(not wrong)[0]} {text}", f"<p>{render.mark_html(not wrong)} {render.escape(text)}</p>")
    if wrong and os.environ.get("NBGRADER_EXECUTION") == "autograde":  # nbgrader believes a cell that does not stop
        raise AssertionError(text)
    return exercise.solution if wrong else function


def _wrong(exercise: Exercise, function: Callable[..., Any] | None) -> str:
    """What is wrong with an answer, in a sentence; empty if nothing is."""
    if function is None:
        return "Nothing is written yet."
    asked = questions(exercise, seed=0)
    try:
        given = exercise.responses(function, asked)
    except NotImplementedError:
        return "It still waits for your lines."
    except Exception as problem:  # noqa: BLE001 - whatever a student's code raises is told, and the notebook goes on
        return f"It stops with {type(problem).__name__}: {problem}"
    return fault(exercise, asked, given)
