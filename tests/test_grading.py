"""The grader: right is right, wrong is told why, damaged files are read as far as possible, a kill changes nothing."""

import contextlib
import csv
import io
import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from grading_room import KL, NOTEBOOKS, grade, hand_in, notebook, written_exercises
from latentlab.__main__ import main
from latentlab.course.exercises import check, exercises
from latentlab.grading import judge, run, sandbox, submission
from latentlab.grading.inside import pack, unpack
from latentlab.publish import student


def test_the_solution_gets_all_points_and_the_student_version_none(tmp_path):
    shutil.copytree(NOTEBOOKS, tmp_path / "in" / "solution", ignore=shutil.ignore_patterns("student"))
    student.make(NOTEBOOKS, tmp_path / "in" / "empty")
    for path in student.make(NOTEBOOKS, tmp_path / "in" / "deleted"):  # no cell of the course itself earns a point
        made = json.loads(path.read_text())
        made["cells"] = [cell for cell in made["cells"] if not cell["metadata"].get("nbgrader", {}).get("solution")]
        path.write_text(json.dumps(made))
    found = grade(tmp_path / "in", tmp_path / "out")
    assert found["deleted"].keys() == found["solution"].keys() and {row[0] for row in found["deleted"].values()} == {
        0.0
    }
    assert found["solution"].keys() == written_exercises().keys()
    for id, (points, of, reason) in found["solution"].items():
        assert points == of == exercises()[id].points and reason == "Right.", (id, reason)
    assert {row[0] for row in found["empty"].values()} == {0.0}
    assert {row[2] for row in found["empty"].values()} == {"Nothing is written yet."}


SOFTPLUS = "torch.nn.functional.softplus"
WRONG = [
    ("10.a", "m, v", "-0.5 * (m**2 + v.exp() - 1 - v).sum(-1)", "The sign is wrong"),
    ("10.a", "m, v", "(m**2 + v.exp() - 1 - v).sum(-1)", "The factor ½ is missing"),
    ("10.a", "m, v", "0.5 * (m**2 + v.exp() - 1 - v).mean(-1)", "You average over the dimensions"),
    ("10.a", "m, v", "0.5 * (m**2 + v.exp() - 1 - v).sum()", "You sum over the images too"),
    ("10.a", "m, v", "0.5 * (m**2 + v - 1 - v.abs().log()).sum(-1)", "It takes log σ² for σ²"),
    ("10.a", "m, v", "1.25 * (m**2 + v.exp() - 1 - v).sum(-1)", "It is 2.5 times too large"),
    ("10.a", "m, v", "0.5 * (m**2 + v.exp() - 1 - v).sum(-1, keepdim=True)", "Its shape is (5, 1), expected (5,)"),
    ("10.a", "m, v", "torch.zeros(len(m))", "It is zero where it should not be"),
    ("10.a", "m, v", "None", "It stops with TypeError: The function returns nothing"),
    ("10.a", "m, v", "0.5 * (mu**2).sum(-1)", "It stops with NameError: name 'mu' is not defined"),
    ("10.b", "m, v, e", "m + v.exp() * e", "Σ is half the log-variance's exponential"),
    ("10.b", "m, v, e", "m + v * e", "The noise is multiplied by log σ²"),
    ("10.b", "m, v, e", "m + (0.5 * v).exp().detach() * e", "The gradient does not reach σ"),
    ("10.c", "w", "w.mean(0)", "This is the mean of the logarithms"),
    ("10.c", "w", "w.logsumexp(0)", "The mean over k is a sum here"),
    ("10.c", "w", "w.logsumexp(1) - math.log(w.shape[1])", "The mean goes over the images"),
    ("08.c", "n, d", "n / d", "These are nats per dimension"),
    ("08.c", "n, d", "n * math.log(2) / d", "Ln 2 is on the wrong side"),
    ("08.c", "n, d", "n / math.log(2)", "These are the bits of the whole image"),
    ("09.b", "u, m, s, t", "(u * (s * m).exp() + t * m, (s * m).sum(1))", "The mask is turned round"),
    ("09.b", "u, m, s, t", "(u * (s * (1 - m)).exp() + t * (1 - m), s.sum(1))", "Log |det| sums over all coordinates"),
    ("11.b", "f", f"-{SOFTPLUS}(f).mean()", "This is the saturating cost"),
    ("11.b", "f", f"-{SOFTPLUS}(-f).mean()", "The sign is wrong"),
    ("11.b", "f", f"{SOFTPLUS}(f).mean()", "This is log(1 − D) with the sign turned"),
    ("11.b", "f", f"{SOFTPLUS}(-f.detach()).mean()", "The gradient is cut off"),
    ("11.d", "a", "(-a).exp()", "This is f0 / f1"),
    ("11.d", "a", "torch.sigmoid(a)", "This is D itself"),
    ("11.d", "a", "a", "This is the logarithm of the ratio"),
    ("C-5", "n", "math.log(1 + (n - 1) * math.exp(-2))", "Two directions of a simplex"),
    ("C-5", "n", "math.log((n - 1) * math.exp(-n / (n - 1)))", "The 1 of the positive is missing"),
]


def test_a_wrong_answer_gets_no_point_and_the_hint_it_deserves():
    tasks = []
    for number, (id, parameters, expression, _) in enumerate(WRONG):
        source = f"import math\ndef {exercises()[id].name}({parameters}):\n    return {expression}"
        cell = {"file": "x", "id": id, "source": source}
        tasks.append(judge.task(exercises()[id], cell, [cell], seed=7) | {"id": str(number)})
    answers = sandbox.run(tasks, 20)
    for number, (id, _, expression, words) in enumerate(WRONG):
        said = judge.judged(exercises()[id], 7, answers[str(number)])
        assert said.startswith(words), (id, expression, said)


def damaged(folder):
    """One student for each damaged or odd kind of submission: {student: (points, words of reason or remark)}."""
    marked, gap = ("10-a", KL), ("10.a", "def gaussian_kl(m, v):\n    raise NotImplementedError('your code here')")
    helper = "import numpy as np, scipy.special as special\nHALF = 0.5\n"
    helper += "def part(m, v):\n    return HALF * (m**2 + v.exp() - np.cos(0) * 2 * special.expit(0) - v)"
    kl = ("10.a", "%matplotlib inline\ndef gaussian_kl(m, v):\n    return part(m, v).sum(-1)")
    spec = {"kernelspec": {"name": "ir", "language": "R"}}
    hand_in(
        folder / "kernel.ipynb",
        ("", helper),
        ("", "raise SystemExit"),
        kl,
        ("10.a-check", "check('10.a')"),
        metadata=spec,
    )
    old = {
        "cell_type": "code",
        "input": KL.splitlines(keepends=True),
        "language": "python",
        "metadata": {},
        "outputs": [],
    }
    sheets = {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": ""},
        "worksheets": [{"cells": [old], "metadata": {}}],
    }
    (folder / "old").mkdir()
    (folder / "old" / "10_vae.ipynb").write_text(json.dumps(sheets))
    hand_in(folder / "outputs.ipynb", ("", KL))
    with (folder / "outputs.ipynb").open("r+") as file:
        before, _, after = file.read().partition('"outputs": []')
        file.seek(0)
        file.write(before + '"outputs": [{"output_type": "stream", "name": "stdout", "text": "')
        for _ in range(200):
            file.write("1" * (1 << 20))
        file.write('"}]' + after)
    hand_in(folder / "copies" / "10_vae.ipynb", marked)
    hand_in(folder / "copies" / "10_vae-Copy1.ipynb", ("10.a", "gaussian_kl = None"))
    hand_in(folder / "copies" / ".ipynb_checkpoints" / "10_vae-checkpoint.ipynb", ("10.a", "gaussian_kl = None"))
    whole = json.dumps(notebook([gap]))
    for name, text in {
        "cut": whole[:200], "script": KL, "list": "[1, 2]", "nothing": "", "deep": "[" * 200000,
        "cells": '{"cells": 3}', "binary": "\0\x01", "half": whole.replace("here", "here \\ud800"),
        "foreign": json.dumps(notebook([("", "x = 1")])),
        "=HYPERLINK(1)<b>": whole.replace("raise", "'<script>alert(1)</script>'; raise"),
    }.items():  # fmt: skip
        (folder / f"{name}.ipynb").write_text(text)
    (folder / "folder").mkdir()
    (folder / "link.ipynb").symlink_to(folder / "kernel.ipynb")
    os.mkfifo(folder / "pipe.ipynb")
    nothing = (0, "Nothing is written yet.")
    return {
        "kernel": (1, "kernel is called 'ir'"), "old": (1, "notebook format is 3"), "outputs": (1, "Right."),
        "copies": (1, "Right."), "cut": (0, "a damaged one"), "script": (0, "no JSON"), "list": (0, "only JSON"),
        "nothing": (0, "no JSON"), "deep": (0, "too deep"), "cells": (0, "only JSON"), "binary": (0, "no JSON"),
        "half": nothing, "'=HYPERLINK(1)<b>": nothing, "foreign": (0, "No exercise"),
        "folder": (0, "There is no notebook"), "link": (0, "links are not followed"), "pipe": (0, "It is no file"),
    }  # fmt: skip


class Page(HTMLParser):
    """Collects the text, and everything that would run or reach out."""

    text, bad = "", ()

    def handle_starttag(self, tag, attributes):
        names = {name for name, value in attributes}
        if tag in ("script", "img", "link", "iframe", "b", "a") or names & {"src", "href", "onclick"}:
            self.bad += (tag,)

    def handle_data(self, data):
        self.text += data


def test_damaged_submissions_are_graded_as_far_as_possible_and_a_kill_changes_nothing(tmp_path, capsys):
    folder, out, other = tmp_path / "in", tmp_path / "out", tmp_path / "other"
    folder.mkdir()
    wanted = damaged(folder)
    started = time.monotonic()
    found = grade(folder, out)
    assert time.monotonic() - started < 300
    assert found.keys() == wanted.keys()
    table = (out / "grades.csv").read_text()
    for name, (points, words) in wanted.items():
        record = json.loads((out / "feedback" / f"{run.file_name(name.removeprefix(chr(39)))}.json").read_text())
        said = " ".join([*record["remarks"], *(row[2] for row in found[name].values())])
        assert sum(row[0] for row in found[name].values()) == points and words in said, (name, said)
        page = Page()
        html = (out / "feedback" / f"{run.file_name(record['student'])}.html").read_text()
        page.feed(html)
        assert not page.bad and "http" not in re.sub("http-equiv", "", html), name
        assert record["student"] in page.text and f"{points} of" in page.text, name
    assert {"10.a", "10.b", "10.c"} == found["kernel"].keys(), "every question of the notebook stands in the table"
    assert found["kernel"]["10.b"] == (0, 1, "There is no cell that defines reparametrise.")

    warned = "WARNING: bubblewrap does not work here" in capsys.readouterr().err
    assert warned == (sandbox.isolation() == "limits only")
    # kill -9 in the middle of a few of them, then go on: the same lines, and what was finished is not graded again
    few = tmp_path / "few"
    names = ("binary", "cells", "copies", "half")
    for name in names:
        path = folder / (name if name == "copies" else f"{name}.ipynb")
        (shutil.copytree if path.is_dir() else shutil.copy)(path, few.mkdir(exist_ok=True) or few / path.name)
    process = multiprocessing.get_context("fork").Process(
        target=quietly, args=(["grade", str(few), "--out", str(other)],)
    )
    process.start()
    while process.is_alive() and len(list((other / "feedback").glob("*.json"))) < 2:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    done = {path: path.stat().st_mtime_ns for path in (other / "feedback").glob("*.json")}
    assert 2 <= len(done) < len(names) and not (other / "grades.csv").exists()
    assert grade(few, other) == {name: found[name] for name in names}
    assert set((other / "grades.csv").read_text().splitlines()) <= set(table.splitlines())
    assert all(path.stat().st_mtime_ns == changed for path, changed in done.items())
    shutil.copy(folder / "half.ipynb", few / "cells.ipynb")  # what has changed is graded again, and only that
    assert grade(few, other)["cells"] == found["half"]
    changed = [path.stem for path, before in done.items() if path.stat().st_mtime_ns != before]
    assert changed == ["cells"]


def quietly(arguments):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        main([*arguments, "--jobs", "2"])


def test_what_had_to_be_handed_in_can_be_said(tmp_path, capsys):
    hand_in(tmp_path / "in" / "ann.ipynb", ("", "x = 1"))
    found = grade(tmp_path / "in", tmp_path / "out", "--notebooks", "10_vae", "--seed", "3")
    assert found["ann"]["10.c"] == (0, 2, "There is no cell that defines importance_bound.")
    assert main(["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--notebooks", "99_x"]) == 1
    assert main(["grade", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    assert "99_x" in capsys.readouterr().err
    assert run.seed(tmp_path / "out", None) == 3, "the questions of a folder stay the same"
    assert run.seed(tmp_path / "a", None) != run.seed(tmp_path / "b", None), "and nobody can know them before"


def test_a_sandbox_that_does_not_work_is_not_the_students_fault(monkeypatch):
    monkeypatch.setattr(sandbox, "converse", lambda *given: {})
    with pytest.raises(OSError, match="no grade is given"):
        judge.grade([{"file": "x", "id": "10.a", "source": KL}], seed=1, seconds=1)


def test_nbgraders_autograde_sees_what_is_wrong(monkeypatch, capsys):
    assert check("10.a", None) is exercises()["10.a"].solution
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert check("10.a", exercises()["10.a"].solution)
    with pytest.raises(AssertionError, match="Nothing is written"):
        check("10.a", None)


@pytest.mark.parametrize(
    "value",
    [1, 2.5, "word", None, torch.ones(2, 0, 3), np.arange(3.0), np.array(["a", "bc"]), (torch.eye(2), [1, (2,)])],
)
def test_questions_and_responses_travel_as_json(value):
    back = unpack(json.loads(json.dumps(pack(value))))
    plain = isinstance(value, str | np.ndarray | None)
    (np.testing.assert_equal if plain else torch.testing.assert_close)(back, value)


@pytest.mark.parametrize(
    "forged",
    [
        {}, {"responses": 3}, {"responses": [[]] * 5}, {"responses": [[True]] * 5},
        {"responses": [[{"dtype": "O"}]] * 5}, {"responses": [[{"dtype": "<f8", "shape": [1 << 40], "data": ""}]] * 5},
        {"responses": "x" * 5}, {"responses": {"0": 1}},
        {"responses": [[{"dtype": "<U1", "shape": [2], "data": ["a", "b"]}]] * 5},
        {"error": ["\x1b[2J", {}]}, {"error": ""},
        {"responses": [[pack(np.full(5, np.nan))] * 3] * 5}, {"responses": [[pack(np.full(5, 1e308j))] * 3] * 5},
    ],
)  # fmt: skip
def test_nothing_that_comes_out_is_believed(forged):
    said = judge.judged(exercises()["10.a"], 1, forged)
    assert said and said.isprintable()


def test_two_files_of_one_student_and_names_no_system_can_hold(tmp_path):
    for name in ("ann.ipynb", "ann/more.ipynb", "bob.tar", "~lock.ipynb", "grades/x.ipynb"):
        hand_in(tmp_path / name, ("", "x = 1"))
    found = submission.students(tmp_path, tmp_path / "grades")
    assert {name: len(files) for name, files in found.items()} == {"ann": 2, "bob": 1}
    names = [run.file_name(name) for name in ("ann", "../ann", ".ann", "änn", "å" * 300, "a" * 300)]
    assert (
        len(set(names)) == 6
        and names[0] == "ann"
        and all(re.fullmatch(r"[\w-][\w.-]{0,99}", n, re.ASCII) for n in names)
    )


def test_a_table_that_a_spreadsheet_can_open():
    rows = [{"question": "10.a", "points": 0, "of": 0.5, "reason": 'a "b", c'}]
    records = [{"student": name, "rows": rows, "remarks": []} for name in ("=1+1", "ann")]
    lines = list(csv.reader(io.StringIO(run.table(records))))
    assert lines[1:] == [["'=1+1", "10.a", "0", "0.5", 'a "b", c'], ["ann", "10.a", "0", "0.5", 'a "b", c']]
    assert "0 of 2" in run.summary(records) and run.summary([]).endswith("0 with remarks about their files")
