"""What becomes of the grades: a table for the grader, a page and a JSON file for each student."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from latentlab.course import render
from latentlab.training import write_atomically

STYLE = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui;margin:auto;max-width:60rem;padding:1rem}pre{overflow:auto}"
HOW = (
    "Only the cell of each exercise was run, with the imports, functions and constants of your notebook that it uses. Your "
    "function was asked new questions ({isolation}; no network, no files, {seconds:g} seconds, 1 GB) and judged elsewhere."
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'"  # nothing from the network, nothing that runs


def table(records: Sequence[dict[str, Any]]) -> str:
    """grades.csv: one line per student and question. What a spreadsheet would compute is quoted."""
    lines = [["student", "question", "points", "of", "reason"]]
    for record in records:
        for row in record["rows"]:
            lines.append([record["student"], row["question"], f"{row['points']:g}", f"{row['of']:g}", row["reason"]])
        if not record["rows"]:
            lines.append([record["student"], "", "0", "0", " ".join(record["remarks"]) or "No exercise of the course was found."])
    text, risky = io.StringIO(), tuple("=+-@\t\r")
    csv.writer(text, lineterminator="\n").writerows([f"'{c}" if c.startswith(risky) else c for c in line] for line in lines)
    return text.getvalue()


def page(record: dict[str, Any]) -> str:
    """A student's feedback, with the cells that were run."""
    points, of = (sum(row[key] for row in record["rows"]) for key in ("points", "of"))
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in record["remarks"])
    parts = [f"<h2>About your files</h2><ul>{remarks}</ul>" if remarks else ""]
    for row in record["rows"]:
        sign, word = ("✓", "right") if row["points"] == row["of"] else ("✗", "not yet")
        cell = f"<details><summary>your cell</summary><pre>{escape(row['source'][:20000])}</pre></details>"
        parts.append(
            f'<section><h2><span role="img" aria-label="{word}">{sign}</span> {escape(row["question"])}: '
            f'{row["points"]:g} of {row["of"]:g}</h2><p>{escape(row["reason"])}</p>{cell}</section>'
        )
    title = f"{escape(record['student'])}: {points:g} of {of:g} points"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{title}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{title}</h1>{''.join(parts)}"
        f"<h2>How this was graded</h2><p>{escape(HOW.format(**record))}</p></body></html>\n"
    )


def write(folder: Path, name: str, record: dict[str, Any]) -> None:
    """A student's page, then the JSON file: what has one is finished."""
    rows = [{key: value for key, value in row.items() if key != "source"} for row in record["rows"]]
    write_atomically(folder / f"{name}.html", page(record).encode())
    write_atomically(folder / f"{name}.json", (json.dumps(record | {"rows": rows}, indent=1) + "\n").encode())


def summary(records: Sequence[dict[str, Any]]) -> str:
    """How many students solved each question, and the points of all, as text."""
    rows = [row for record in records for row in record["rows"]]
    asked, right = (Counter(row["question"] for row in some) for some in (rows, [r for r in rows if r["points"] == r["of"]]))
    solved = render.table_text(("question", "solved"), [[name, f"{right[name]} of {n}"] for name, n in sorted(asked.items())])
    mean = sum(row["points"] for row in rows) / max(1, len(records))
    remarked = sum(bool(record["remarks"]) for record in records)
    return f"{solved}\n{len(records)} students, {mean:.3g} points on average, {remarked} with remarks about their files"
