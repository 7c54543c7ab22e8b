"""Judges outside the sandbox: which exercises a submission owes, what is asked, and whether the responses are right."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from latentlab.course.exercises import Exercise, exercises
from latentlab.course.exercises.kinds import fault, questions

from . import sandbox
from .inside import pack, unpack

GAP = "your code here"  # stands in every gap, ours and nbgrader's
PROBE = {"id": "", "source": "f = len", "context": [], "name": "f", "questions": [{"tuple": [""]}], "gradient": False}

Cell = dict[str, str]  # file, id and source


def grade(cells: Sequence[Cell], seed: int, seconds: float, notebooks: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One row per exercise of `notebooks`, or of those handed in. Raises OSError if the sandbox does not work here."""
    wanted = notebooks or owed(cells)
    asked = sorted((e for e in exercises().values() if e.notebook in wanted), key=lambda e: (e.notebook, e.id))
    found = {exercise.id: answer(exercise, cells) for exercise in asked}
    tasks = [task(exercise, found[exercise.id], cells, seed) for exercise in asked if written(found[exercise.id])]
    answers = sandbox.run([PROBE, *tasks], seconds) if tasks else {}
    if tasks and "responses" not in answers.get("", {}):  # not the student's fault
        raise OSError(f"The sandbox ({sandbox.isolation()}) runs nothing here; no grade is given.")
    rows = []
    for e in asked:
        cell = found[e.id]
        missing = "Nothing is written yet." if cell else f"There is no cell that defines {e.name}."
        reason = judged(e, seed, answers.get(e.id, {})) if written(cell) else missing
        row = {"question": e.id, "notebook": e.notebook, "points": 0 if reason else e.points, "of": e.points}
        rows.append(row | {"reason": reason or "Right.", "source": cell["source"] if cell else ""})
    return rows


def owed(cells: Sequence[Cell]) -> set[str]:
    """The notebooks handed in: by the exercises' marks or the file's name, else by the functions in it."""
    found: set[str] = set()
    for file in {cell["file"] for cell in cells}:
        inside = [cell for cell in cells if cell["file"] == file]
        marks = {cell["id"].removesuffix("-check") for cell in inside}
        names = {e.notebook for e in exercises().values() if e.id.replace(".", "-") in marks or e.notebook == file}
        defined = [e.notebook for e in exercises().values() if answer(e, inside)]
        found |= names or set(sorted(defined, key=lambda name: (-defined.count(name), name))[:1])
    return found


def answer(exercise: Exercise, cells: Sequence[Cell]) -> Cell | None:
    """The cell that counts: the marked one, written if there are several; without a mark, the first that defines it."""
    define = re.compile(rf"^(def\s+{exercise.name}\b|{exercise.name}\s*=\s*lambda\b)", re.MULTILINE)
    ordered = sorted(cells, key=lambda cell: cell["file"] != exercise.notebook)  # stable: that notebook comes first
    marked = [cell for cell in ordered if cell["id"] == exercise.id.replace(".", "-")]
    others = [cell for cell in ordered if define.search(cell["source"])]
    return next(iter([*filter(written, marked), *marked, *others]), None)


def written(cell: Cell | None) -> bool:
    """Whether there is something to run: not just the gap of the student version."""
    return bool(cell) and bool(GAP not in cell["source"].lower() or re.search(r"(?m)^\s+return\b", cell["source"]))


def task(exercise: Exercise, cell: Cell, cells: Sequence[Cell], seed: int) -> dict[str, Any]:
    """What enters the sandbox for one exercise: the student's cells and the questions; never an answer."""
    context = [other["source"] for other in cells if other["file"] == cell["file"] and other is not cell]
    asked = [pack(question) for question in questions(exercise, seed)]
    about = {"id": exercise.id, "name": exercise.name, "gradient": exercise.gradient}
    return about | {"source": cell["source"], "context": context, "questions": asked}


def judged(exercise: Exercise, seed: int, answer: dict[str, Any]) -> str:
    """What is wrong with what came out of the sandbox, in one sentence; empty if nothing is. Believes nothing."""
    if "responses" not in answer:
        said = re.sub(r"0x[0-9a-f]+", "0x…", str(answer.get("error", "It ends without an answer.")))
        said = "".join(letter if letter.isprintable() else " " for letter in said)[:300]
        return "Nothing is written yet." if GAP in said else said if said.startswith("It ") else f"It says: {said}"
    asked = questions(exercise, seed)
    try:
        given = [[unpack(part) for part in response] for response in answer["responses"]]
        values = [value for response in given for value in response]
        if len(given) != len(asked) or not all(isinstance(v, np.ndarray) and v.dtype.kind in "fcU" for v in values):
            return "It does not answer every question with numbers."
        with np.errstate(all="ignore"):
            return fault(exercise, asked, given)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError, OverflowError, MemoryError):
        return "What it returns cannot be compared with numbers of the expected shape."
