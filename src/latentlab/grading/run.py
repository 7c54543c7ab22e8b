"""`python -m latentlab grade SUBMISSIONS/ --out grades/`: hand-ins in parallel, a table of all, a page for each."""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import re
import secrets
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

import joblib
from tqdm import tqdm

from latentlab.course import render
from latentlab.course.exercises import exercises
from latentlab.training import write_atomically

from . import judge, sandbox
from .submission import opened, read, students

# The policy: nothing from the network, nothing that runs.
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title><style>:root{{color-scheme:light dark}}
body{{font:1rem/1.5 system-ui;margin:auto;max-width:60rem;padding:1rem}}pre{{overflow:auto}}</style></head>
<body><h1>{title}</h1>{parts}<h2>How this was graded</h2><p>Only the cell of each exercise was run, with the imports,
functions and constants of your notebook that it uses. Your function was asked new questions ({isolation}; no network,
no files, {seconds:g} seconds, 1 GB) and judged elsewhere.</p></body></html>
"""
PART = """<section><h2><span role="img" aria-label="{word}">{sign}</span> {question}: {points:g} of {of:g}</h2>
<p>{reason}</p><details><summary>your cell</summary><pre>{source}</pre></details></section>"""


def add_parser(commands: Any) -> None:
    """Add `grade` to the command line."""
    one = commands.add_parser("grade", help="grade a folder of notebooks that were handed in")
    one.add_argument("submissions", help="folder with one file or one folder per student")
    one.add_argument("--out", default="grades", help="where grades.csv and the feedback go (default: grades)")
    one.add_argument("--notebooks", nargs="+", default=[], metavar="NAME", help="those owed (default: handed in)")
    one.add_argument("--seconds", type=float, default=20, help="time for each exercise")
    one.add_argument("--jobs", type=int, default=joblib.cpu_count(), help="submissions at a time")
    one.add_argument("--seed", type=int, help="of the hidden questions (else drawn once per --out)")
    one.add_argument("--scheduler", metavar="tcp://…", help="grade on this Dask cluster")
    one.set_defaults(call=command)


def command(given: argparse.Namespace) -> None:
    """Grade what is new or changed, then write the table of all. Raises ValueError for an unknown notebook."""
    folder, out, feedback = Path(given.submissions), Path(given.out), Path(given.out, "feedback")
    known = {exercise.notebook for exercise in exercises().values()}
    if wrong := set(given.notebooks) - known:
        raise ValueError(f"No exercises for {', '.join(sorted(wrong))}; there are {', '.join(sorted(known))}.")
    if sandbox.isolation() == "limits only" and not given.scheduler:
        print(f"WARNING: {sandbox.WARNING}", file=sys.stderr)
    handed_in = students(folder, out)
    settings = {"seed": seed(out, given.seed), "seconds": given.seconds, "notebooks": sorted(set(given.notebooks))}
    digests = {student: digest(files, settings) for student, files in handed_in.items()}
    records: dict[str, dict[str, Any]] = {}
    for student in handed_in:
        with suppress(OSError, ValueError):  # what an earlier run found, if nothing has changed since
            old = json.loads((feedback / f"{file_name(student)}.json").read_text())
            records |= {student: old} if old.get("digest") == digests[student] else {}
    where = {"backend": "threading", "n_jobs": given.jobs}
    if given.scheduler:
        where = {"backend": "dask", "scheduler_host": given.scheduler}
    left = [student for student in handed_in if student not in records]
    # The files are read here; only cells travel to other machines.
    tasks = (joblib.delayed(one)(student, *read(handed_in[student]), settings) for student in left)
    bar = tqdm(total=len(handed_in), initial=len(records), desc="grading", unit="student", disable=None)
    with bar, joblib.parallel_config(**where):
        for record in joblib.Parallel(return_as="generator")(tasks):
            student = record["student"]
            records[student] = record | {"digest": digests[student]}
            write(feedback, file_name(student), records[student])
            bar.update()
    ordered = [records[student] for student in sorted(handed_in)]
    write_atomically(out / "grades.csv", table(ordered).encode())
    print(f"{summary(ordered)}\n{out / 'grades.csv'}, one page per student in {feedback}")


def one(student: str, cells: list[dict[str, str]], remarks: list[str], settings: dict[str, Any]) -> dict[str, Any]:
    """Grade one submission; threads do, for all the work is done in the sandbox's process."""
    about = {"student": student, "remarks": remarks, "isolation": sandbox.isolation(), "seconds": settings["seconds"]}
    return about | {"rows": judge.grade(cells, **settings)}


def seed(out: Path, given: int | None) -> int:
    """The seed of the hidden questions: the given one, else the one kept in `out`, else a new one."""
    path = out / "seed.json"
    if given is None and path.exists():
        return int(json.loads(path.read_text()))
    value = secrets.randbelow(1 << 50) if given is None else given
    write_atomically(path, f"{value}\n".encode())
    return value


def digest(files: Sequence[Path], settings: dict[str, Any]) -> str:
    """Changes with the submission, the settings and the code that grades."""
    found = hashlib.sha256(json.dumps(settings).encode())
    here = Path(__file__).parent
    for path in [*sorted(here.glob("*.py")), *sorted(here.with_name("course").glob("exercises/*.py")), *files]:
        found.update(b"\0" + os.fsencode(path.name) + b"\0")
        with suppress(OSError, ValueError), open(opened(path), "rb") as file:
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def file_name(student: str) -> str:
    """The student's name if every system can hold it, else that part of it that it can, and a number."""
    plain = re.sub(r"[^\w.-]", "_", student, flags=re.ASCII).lstrip(".")[:80]
    return plain if plain == student else f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:8]}"


def table(records: Sequence[dict[str, Any]]) -> str:
    """grades.csv: one line per student and question. What a spreadsheet would compute is quoted."""
    lines = [["student", "question", "points", "of", "reason"]]
    for record in records:
        nothing = " ".join(record["remarks"]) or "No exercise of the course was found."
        for row in record["rows"] or [{"question": "", "points": 0, "of": 0, "reason": nothing}]:
            lines.append([record["student"], row["question"], f"{row['points']:g}", f"{row['of']:g}", row["reason"]])
    text, risky = io.StringIO(), tuple("=+-@\t\r")
    quoted = ([f"'{c}" if c.startswith(risky) else c for c in line] for line in lines)
    csv.writer(text, lineterminator="\n").writerows(quoted)
    return text.getvalue()


def page(record: dict[str, Any]) -> str:
    """A student's feedback, with the cells that were run."""
    points, of = (sum(row[key] for row in record["rows"]) for key in ("points", "of"))
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in record["remarks"])
    parts = [f"<h2>About your files</h2><ul>{remarks}</ul>" if remarks else ""]
    for row in record["rows"]:
        sign, word = ("✓", "right") if row["points"] == row["of"] else ("✗", "not yet")
        words = {key: escape(row[key][:20000]) for key in ("question", "reason", "source")}
        parts.append(PART.format(**row | words, sign=sign, word=word))
    title = f"{escape(record['student'])}: {points:g} of {of:g} points"
    return PAGE.format(**record | {"title": title, "parts": "".join(parts), "isolation": escape(record["isolation"])})


def write(folder: Path, name: str, record: dict[str, Any]) -> None:
    """A student's page, then the JSON file: what has one is finished."""
    rows = [{key: value for key, value in row.items() if key != "source"} for row in record["rows"]]
    write_atomically(folder / f"{name}.html", page(record).encode())
    write_atomically(folder / f"{name}.json", (json.dumps(record | {"rows": rows}, indent=1) + "\n").encode())


def summary(records: Sequence[dict[str, Any]]) -> str:
    """How many students solved each question, and the points of all, as text."""
    rows = [row for record in records for row in record["rows"]]
    asked = Counter(row["question"] for row in rows)
    right = Counter(row["question"] for row in rows if row["points"] == row["of"])
    solved = render.table_text(("question", "solved"), [[q, f"{right[q]} of {n}"] for q, n in sorted(asked.items())])
    mean = sum(row["points"] for row in rows) / max(1, len(records))
    remarked = sum(bool(record["remarks"]) for record in records)
    return f"{solved}\n{len(records)} students, {mean:.3g} points on average, {remarked} with remarks about their files"
