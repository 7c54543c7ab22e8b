"""`python -m latentlab grade SUBMISSIONS/ --out grades/`: all that was handed in, in parallel, going on where it stopped."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib
from tqdm import tqdm

from latentlab.course.exercises import exercises
from latentlab.training import write_atomically

from . import judge, report, sandbox
from .submission import opened, read, students


def add_parser(commands: Any) -> None:
    """Add `grade` to the command line."""
    one = commands.add_parser("grade", help="grade a folder of notebooks that were handed in")
    one.add_argument("submissions", help="folder with one file or one folder per student")
    one.add_argument("--out", default="grades", help="where grades.csv and the feedback go (default: grades)")
    one.add_argument("--notebooks", nargs="+", default=[], metavar="NAME", help="what had to be handed in (default: what was)")
    one.add_argument("--seconds", type=float, default=20, help="time for each exercise")
    one.add_argument("--jobs", type=int, default=joblib.cpu_count(), help="submissions at a time")
    one.add_argument("--seed", type=int, help="of the hidden questions (else drawn once per --out)")
    one.add_argument("--scheduler", metavar="tcp://…", help="grade on this Dask cluster")
    one.set_defaults(call=command)


def command(given: argparse.Namespace) -> None:
    """Grade what is new or changed, then write the table of all. Raises ValueError for a folder or name that does not exist."""
    folder, out = Path(given.submissions), Path(given.out)
    known = {exercise.notebook for exercise in exercises().values()}
    if wrong := set(given.notebooks) - known:
        raise ValueError(f"No exercises are known for {', '.join(sorted(wrong))}; there are {', '.join(sorted(known))}.")
    if sandbox.isolation() == "limits only" and not given.scheduler:
        print(f"WARNING: {sandbox.WARNING}", file=sys.stderr)
    settings = {"seed": seed(out, given.seed), "seconds": given.seconds, "notebooks": sorted(set(given.notebooks))}
    handed_in = students(folder, out)
    digests = {student: digest(files, settings) for student, files in handed_in.items()}
    records = {s: old for s in handed_in if (old := finished(out / "feedback" / f"{file_name(s)}.json", digests[s]))}
    with tqdm(total=len(handed_in), initial=len(records), desc="grading", unit="student", disable=None) as bar:
        for record in graded([s for s in handed_in if s not in records], handed_in, settings, given):
            student = record["student"]
            records[student] = record | {"digest": digests[student]}
            report.write(out / "feedback", file_name(student), records[student])
            bar.update()
    ordered = [records[student] for student in sorted(handed_in)]
    write_atomically(out / "grades.csv", report.table(ordered).encode())
    print(f"{report.summary(ordered)}\n{out / 'grades.csv'}, one page per student in {out / 'feedback'}")


def graded(left: Sequence[str], files: dict[str, list[Path]], settings: dict[str, Any], given: Any) -> Iterator[dict[str, Any]]:
    """A record of each student who is `left`. The files are read here; only cells travel to other machines."""
    cluster, here = {"backend": "dask", "scheduler_host": given.scheduler}, {"backend": "threading", "n_jobs": given.jobs}
    with joblib.parallel_config(**(cluster if given.scheduler else here)):
        tasks = (joblib.delayed(one)(student, *read(files[student]), settings) for student in left)
        yield from joblib.Parallel(return_as="generator")(tasks)


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


def finished(path: Path, digest: str) -> dict[str, Any] | None:
    """A student's record of an earlier run, if nothing has changed since."""
    with suppress(OSError, ValueError):
        record = json.loads(path.read_text())
        return record if record.get("digest") == digest else None
    return None


def file_name(student: str) -> str:
    """The student's name if every system can hold it, else that part of it that it can, and a number."""
    plain = re.sub(r"[^\w.-]", "_", student, flags=re.ASCII).lstrip(".")[:80]
    return plain if plain == student else f"{plain}-{hashlib.sha256(student.encode()).hexdigest()[:8]}"
