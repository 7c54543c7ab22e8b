"""What became of the executed notebooks, as a table and as the page that links them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from latentlab.course import render
from latentlab.course.claims import OPEN, VERDICTS, ledger

KINDS = ("claim", "answer")

HEADER = ("notebook", "minutes", *VERDICTS, "answered", "not as in the ledger", "errors")
STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem}"
    "pre,table{display:block;overflow:auto}"
)


@dataclass
class Result:
    """What became of one notebook."""

    name: str
    page: Path
    seconds: float
    facts: list[dict[str, Any]] = field(default_factory=list)  # what the claim and answer cells left in their outputs
    error: str = ""  # three lines: notebook, cell, error; empty if all cells ran

    @property
    def verdicts(self) -> Counter[str]:
        """How often each verdict was reached."""
        return Counter(fact["verdict"] for fact in self.facts if "verdict" in fact)

    @property
    def answers(self) -> int:
        """How many questions were answered."""
        return sum("answer" in fact for fact in self.facts)

    @property
    def disagreements(self) -> list[str]:
        """Ids whose computed verdict or answer is not the ledger's."""
        return [fact["id"] for fact in self.facts if expected(fact) not in (None, fact.get("verdict", fact.get("answer")))]

    def summary(self) -> str:
        """One line of words, like "12 confirmed, 2 refuted"."""
        words = [f"{self.verdicts[verdict]} {verdict}" for verdict in VERDICTS if self.verdicts[verdict]]
        words += [f"{self.answers} answered"] if self.answers else []
        words += [f"NOT AS IN THE LEDGER: {' '.join(self.disagreements)}"] if self.disagreements else []
        words += ["STOPPED AT AN ERROR"] if self.error else []
        return ", ".join(words) or "no claims"


def expected(fact: dict[str, Any]) -> str | None:
    """The ledger's verdict or answer for a fact; None while the ledger is open or does not know the id."""
    table, key = ("claims", "verdict") if "verdict" in fact else ("answers", "answer")
    word = ledger()[table].get(fact["id"], {}).get(key, OPEN)
    return None if word == OPEN else word


def rows(results: Sequence[Result]) -> list[list[str]]:
    """One row of text per notebook in the order of `HEADER`, and a last one with the sums."""
    numbers = [
        [r.seconds / 60, *(r.verdicts[verdict] for verdict in VERDICTS), r.answers, len(r.disagreements), int(bool(r.error))]
        for r in results
    ]
    numbers.append([sum(column) for column in zip(*numbers, strict=True)])
    names = [*(r.name for r in results), "all"]
    return [[name, f"{minutes:.1f}", *map(str, counts)] for name, (minutes, *counts) in zip(names, numbers, strict=True)]


def index(results: Sequence[Result], profile: str) -> str:
    """The page that links all executed notebooks, with the table of verdicts and the errors."""
    table = render.table_html(HEADER, rows(results), f"Executed in the {profile} profile")
    for result in results:
        name, page = escape(result.name), escape(result.page.name)
        table = table.replace(f">{name}</th>", f'><a href="{page}">{name}</a></th>', 1)
    errors = "".join(
        f"<h2>{escape(r.name)} stopped at an error</h2><pre>{escape(r.error)}</pre>" for r in results if r.error
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>latentlab</title><style>{STYLE}</style></head>\n<body><h1>latentlab</h1>{table}{errors}</body></html>\n"
    )


def facts(cell: Any) -> Iterator[dict[str, Any]]:
    """What `claim` and `answer` left in the metadata of a cell's outputs."""
    for output in cell.get("outputs", []):
        facts = output.get("metadata", {}).get("latentlab", [])
        for fact in [facts] if isinstance(facts, dict) else facts:
            if fact.get("kind") in KINDS:
                yield dict(fact)
