"""What the tests of the grader share: submissions made from cells, and the table that comes of them."""

import csv
import json
from pathlib import Path

from latentlab.__main__ import main
from latentlab.course.exercises import exercises

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KL = "def gaussian_kl(m, v):\n    return 0.5 * (m**2 + v.exp() - 1 - v).sum(-1)"


def notebook(cells, **about):
    """A notebook of code cells, (id, source) each; an empty id stands for a cell without marks."""
    made = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {"nbgrader": {"grade_id": id}} if id else {}, "source": source}
        | {"outputs": [], "execution_count": None}
        for n, (id, source) in enumerate(cells)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made} | about


def hand_in(path, *cells, **about):
    """Write a notebook of cells to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(cells, **about)))


def grade(folder, out, *options):
    """Grade a folder through the command line; {student: {question: (points, of, reason)}}."""
    assert main(["grade", str(folder), "--out", str(out), "--jobs", "1", *options]) == 0
    found = {}
    for row in csv.DictReader((out / "grades.csv").open()):
        found.setdefault(row["student"], {})[row["question"]] = (float(row["points"]), float(row["of"]), row["reason"])
    return found


def written_exercises():
    """The exercises whose notebooks are here, by id."""
    return {e.id: e for e in exercises().values() if (NOTEBOOKS / f"{e.notebook}.ipynb").exists()}
