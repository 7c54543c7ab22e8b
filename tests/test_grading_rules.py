"""The grader's small print: what a cell sees of its notebook, which cell counts, what an answer may use and do."""

import os
import sys

import pytest

from grading_room import KL
from latentlab.course.exercises import exercises
from latentlab.grading import judge, run, sandbox, submission

RIGHT = "0.5 * (m**2 + v.exp() - 1 - v).sum(-1)"
GAP = "def gaussian_kl(m, v):\n    raise NotImplementedError('your code here')"
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of Linux")


def kl(body=RIGHT, before=""):
    """A cell for exercise 10.a: `before`, inside the function, then the value returned."""
    return "def gaussian_kl(m, v):\n" + "".join(f"    {line}\n" for line in [*before.splitlines(), f"return {body}"])


def verdicts(given, seconds=20):
    """What the judge says of each notebook of cells, by name; the first cell is the one of exercise 10.a."""
    exercise, tasks = exercises()["10.a"], []
    for name, sources in given.items():
        cells = [{"file": "x", "id": "", "source": source} for source in sources]
        tasks.append(judge.task(exercise, cells[0], cells, seed=3) | {"id": name})
    answers = sandbox.run(tasks, seconds)
    return {name: judge.judged(exercise, 3, answers[name]) for name in given}


def test_a_cell_sees_the_last_helper_the_constants_and_nothing_that_would_have_to_run():
    helper = "def part(m, v):\n    return {} * (m**2 + v.exp() - 1 - v)"
    said = verdicts({
        "last helper": [kl("part(m, v).sum(-1)"), helper.format(3), helper.format(0.5)],
        "last constant": [kl("HALF * (m**2 + v.exp() - 1 - v).sum(-1)"), "HALF = 3\nHALF = 0.5"],
        "computed constant": [kl("HALF * (m**2 + v.exp() - 1 - v).sum(-1)"), "HALF = float('0.5')"],
        "shell and magic": [f"!pip install torch\n%matplotlib inline\n{KL}"],
    })  # fmt: skip
    assert said["last helper"] == said["last constant"] == said["shell and magic"] == ""
    assert said["computed constant"].startswith("It stops with NameError: name 'HALF'")


@linux
def test_an_answer_has_its_memory_and_no_files_threads_or_long_answers():
    started = "import threading\nthreading.Thread(target=len, args=('',)).start()"
    said = verdicts({
        "half a gigabyte": [kl(before="torch.ones(1 << 27).sum()")],
        "one and a half": [kl(before="torch.empty(3 << 27).fill_(1)")],
        "a file in memory": [kl(before="import os\nos.write(os.memfd_create('x'), b'x')")],
        "a thread": [kl(before=started)],
        "five megabytes": [kl("torch.zeros(5 << 18)")],
    })  # fmt: skip
    assert said.pop("half a gigabyte") == ""
    assert said.pop("five megabytes") == "It returns more than 4 MB."
    assert all(reason.startswith("It stops with") for reason in said.values()), said


def test_a_second_is_a_second_and_every_exercise_has_its_own(monkeypatch):
    said = verdicts({"late": [kl(before="import time\ntime.sleep(0.6)")], "next": [KL]}, seconds=1)
    assert said == {"late": "It takes longer than 1 seconds.", "next": ""}
    limits = []
    monkeypatch.setattr(sandbox, "converse", lambda command, request, seconds: limits.append(seconds) or {})
    tasks = [{"id": str(n)} for n in range(7)]
    sandbox.run(tasks, 10), sandbox.run(tasks[:1], 10)
    assert limits[0] - limits[1] == 60


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_students_code_never_runs_as_root():
    said = verdicts({"who": [kl(before="import os\nraise ValueError(str(os.getuid()))")]})
    assert int(said["who"].rpartition(" ")[2]) >= 60000


def test_the_written_cell_of_the_notebooks_own_file_counts():
    e = exercises()["10.a"]
    gap, right = ({"file": "x", "id": "10-a", "source": source} for source in (GAP, KL))
    elsewhere = {"file": "10_vae", "id": "", "source": kl("0 * m.sum(-1)")}
    assert judge.answer(e, [gap, right]) == judge.answer(e, [right, gap]) == right
    assert judge.answer(e, [elsewhere, right]) == right and judge.answer(e, [gap, elsewhere]) == gap
    assert judge.answer(e, [{**elsewhere, "file": "a"}, elsewhere]) == elsewhere
    helper = {"file": "y", "id": "", "source": "HALF = 0.5"}
    assert judge.task(e, right, [helper, right], seed=0)["context"] == [], "another file's helpers do not count"


def test_an_unnamed_notebook_owes_what_most_of_its_functions_belong_to():
    names = {e.notebook: [] for e in exercises().values()}
    for e in exercises().values():
        names[e.notebook].append(e.name)
    cells = [f"def {name}(*x):\n    return x" for name in (*names["09_flows"][:1], *names["10_vae"][:2])]
    assert judge.owed([{"file": "x", "id": "", "source": cell} for cell in cells]) == {"10_vae"}


def test_a_page_shows_the_sign_and_no_tag_of_the_students():
    row = {"question": "10.a", "points": 1.0, "of": 1, "reason": "<i>r</i>", "source": "<i>s</i>", "notebook": "10_vae"}
    record = {"student": "<i>n</i>", "rows": [row], "remarks": ["<i>m</i>"], "isolation": "none", "seconds": 1.0}
    right, wrong = run.page(record), run.page(record | {"rows": [row | {"points": 0.0}]})
    assert "<i>" not in right and all(f"&lt;i&gt;{letter}" in right for letter in "rsnm")
    assert 'aria-label="right">✓' in right and 'aria-label="not yet">✗' in wrong


def test_the_table_and_the_summary_count_students():
    rows = [{"question": q, "points": p, "of": 2, "reason": ""} for q, p in (("10.a", 2), ("10.b", 1))]
    records = [{"student": name, "rows": rows, "remarks": []} for name in ("-1+1", "@b", "+c")]
    assert "3 students, 3 points on average" in run.summary(records) and "3 of 3" in run.summary(records)
    lines = run.table(records).splitlines()[1:]
    assert all(line.startswith("'") for line in lines) and len(lines) == 6


def test_a_submission_is_finished_when_its_json_is_there_and_new_settings_grade_it_again(tmp_path, monkeypatch):
    written, whole = [], run.write_atomically
    monkeypatch.setattr(run, "write_atomically", lambda path, data: written.append(path.suffix) or whole(path, data))
    record = {"student": "ann", "rows": [], "remarks": [], "isolation": "none", "seconds": 1.0}
    run.write(tmp_path, "ann", record)
    assert written == [".html", ".json"]
    assert (
        run.digest([], {"seed": 1}) != run.digest([], {"seed": 2}) != run.digest([tmp_path / "ann.html"], {"seed": 2})
    )


def test_only_so_much_is_read(tmp_path, monkeypatch):
    cell = {"cell_type": "code", "source": "x" * 400_000}
    read = submission.useful({"nbformat": 4, "cells": [cell] * 4})
    assert len(read["cells"]) == 2 and read["remarks"] == ["There is more than 1 MB of code: the rest is not read."]
    for name in ("a", "b", ".ipynb_checkpoints/a-checkpoint", "sub/c"):
        path = tmp_path / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text('{"nbformat": 4, "cells": [{"cell_type": "code", "source": "1"}]}')
    files = list(submission.notebooks(tmp_path))
    assert [path.stem for path in files] == ["a", "b", "c"]
    monkeypatch.setattr(submission, "FILES", 2)
    cells, remarks = submission.read(files)
    assert [cell["file"] for cell in cells] == ["a", "b"] and "only the first 2 are read" in remarks[0]
