"""The course at a glance, for the first notebook: is this machine ready, which notebooks are there, what did they find."""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from latentlab.data import repository

from . import render
from .claims import OPEN, VERDICTS, ledger

PYTHON = (3, 11)


def check_environment(requirements: Iterable[str] | None = None) -> bool:
    """Show in one line whether the course can run here, details folded; return whether it can.

    Details: one line per package, "torch ≥ 2.4: yes" or what to do; outside a notebook these are printed.

    requirements  lines as in pyproject.toml; default: latentlab's own, without extras.
    """
    from packaging.requirements import Requirement

    lines = _dependencies() if requirements is None else requirements
    wanted = [r for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate({"extra": ""})]
    answers = {f"Python ≥ {'.'.join(map(str, PYTHON))}": "" if sys.version_info >= PYTHON else "NO. Install a newer Python."}
    answers |= {f"{r.name} {r.specifier}".replace(">=", "≥ "): _fault(r) for r in wanted}
    lines, ready = [f"{name}: {fault or 'yes'}" for name, fault in answers.items()], not any(answers.values())
    rows = "".join(f"<li>{render.escape(line)}</li>" for line in lines)
    summary = f"Is this machine ready? {'yes' if ready else 'NO: open this line'}"
    render.show("\n".join(lines), f"<details{'' if ready else ' open'}><summary>{summary}</summary><ul>{rows}</ul></details>")
    return ready


def course_map(book: Mapping[str, Any] | None = None) -> list[list[str]]:
    """Show for every notebook of the ledger whether it is ready or coming, and how many entries it has; return the rows."""
    rows = []
    for notebook, claims, answers in _by_notebook(book or ledger()):
        state = "coming" if OPEN in (*claims.values(), *answers.values()) else "ready"
        rows.append([notebook, state, str(len(claims)), str(len(answers))])
    header = ["notebook", "state", "claims", "further questions"]
    render.show(render.table_text(header, rows), render.table_html(header, rows))
    return rows


def verdict_overview(book: Mapping[str, Any] | None = None) -> list[list[str]]:
    """Show which claims of the finished notebooks are confirmed, refuted, …, as the ledger has it; return the rows.

    A test compares the ledger with what the notebooks compute. Unlike `verdict_table`, this needs no other notebook's outputs.
    """
    rows, counts = [], Counter()
    for notebook, claims, _ in _by_notebook(book or ledger()):
        found = {verdict: [id for id, v in claims.items() if v == verdict] for verdict in VERDICTS}
        counts.update({verdict: len(ids) for verdict, ids in found.items()})
        if any(found.values()):
            rows.append([notebook, *(f"{len(ids)} ({', '.join(ids)})" if ids else "0" for ids in found.values())])
    caption = "Claims tested so far: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS)
    render.table(["notebook", *VERDICTS], rows, caption)
    return rows


def _by_notebook(book: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, str], dict[str, str]]]:
    """Notebook, its claims {id: verdict}, its further questions {id: answer}; in order."""
    for notebook in sorted({entry["notebook"] for table in book.values() for entry in table.values()}):
        yield (
            notebook,
            {id: entry["verdict"] for id, entry in book["claims"].items() if entry["notebook"] == notebook},
            {id: entry["answer"] for id, entry in book["answers"].items() if entry["notebook"] == notebook},
        )


def _dependencies() -> list[str]:
    """What latentlab needs: from the checkout's pyproject.toml, else as it was installed."""
    project = repository() / "pyproject.toml"
    if project.exists():
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    return metadata.requires("latentlab") or []


def _fault(requirement: Any) -> str:
    """Why a requirement is not met and what to do; "" if it is."""
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"NO, it is missing. Install it: pip install '{requirement}'"
    # Development builds, such as a hosted notebook's torch, count.
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"NO, this is {version}. Get a newer one: pip install '{requirement}'"
