"""What became of the executed notebooks: as a table, as the front door of their pages, and as `course.js` beside it."""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from latentlab.course.claims import OPEN, VERDICTS, ledger
from latentlab.data import repository
from latentlab.training import write_atomically

from .page import render

HEADER = ("notebook", "minutes", *VERDICTS, "answered", "not as in the ledger", "errors")
DOCUMENTS = {"V": "VICReg report", "A": "Autoencoder report", "C": "Contrastive homework", "G": "Generative homework"}
DATA = "var COURSE = "  # how course.js begins: a script, because a page on a disk may not read other files


@dataclass
class Result:
    """What became of one notebook."""

    name: str
    page: Path
    seconds: float
    facts: list[dict[str, Any]] = field(default_factory=list)  # what the claim and answer cells left in their outputs
    error: str = ""  # three lines: notebook, cell, error; empty if all cells ran
    about: dict[str, Any] = field(default_factory=dict)  # what the front door shows, see `page.about`

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
        words += [f"{len(unshown)} FORMULAS NOT CONVERTED"] if (unshown := self.about.get("unshown")) else []
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


def write(results: Sequence[Result], folder: Path, profile: str) -> list[Result]:
    """Write the front door and the search's index, and link each page in `folder` to its neighbours; return all that is shown.

    Pages of earlier runs stay, with what was found then, as long as their notebook exists.
    """
    known = {result.name: result for result in [*earlier(folder), *results]}
    shown = [known[name] for name in sorted(known)]
    records = [{key: value for key, value in vars(result).items() if key != "page"} for result in shown]
    write_atomically(folder / "course.js", (DATA + json.dumps(records, ensure_ascii=False) + ";\n").encode())
    for number, result in enumerate(shown):
        neighbours = [("← ", shown[number - 1] if number else None), ("→ ", (shown[number + 1 :] or [None])[0])]
        links = " ".join(f'<a href="{n.name}.html">{arrow}{escape(n.about["title"])}</a>' for arrow, n in neighbours if n)
        old = result.page.read_text(encoding="utf-8")
        nav = '<!--nav {0}--><nav aria-label="{0}">' + links.replace("{", "{{").replace("}", "}}") + "</nav><!--/nav-->"
        new = re.sub(r"(?s)<!--nav (.*?)-->.*?<!--/nav-->", lambda m, nav=nav: nav.format(m[1]), old)
        if new != old:
            write_atomically(result.page, new.encode())
    write_atomically(folder / "index.html", index(shown, profile).encode())
    return shown


def earlier(folder: Path) -> list[Result]:
    """What `folder` holds of earlier runs; a page without its notebook, or a file that is not ours, is left out."""
    try:
        records = json.loads((folder / "course.js").read_text(encoding="utf-8").removeprefix(DATA).rstrip(";\n"))
        found = [Result(page=folder / f"{record['name']}.html", **record) for record in records]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [r for r in found if r.page.exists() and (folder / r.about["source"]).exists()]


def index(results: Sequence[Result], profile: str) -> str:
    """The front door: what it is, the map, the state of the last run, and every verdict with a link to its cell."""
    picture = repository() / "docs" / "views.png"
    failed, other = [r for r in results if r.error], [id for r in results for id in r.disagreements]
    verdicts = [row for r in results for row in verdict_rows(r)]
    hero = base64.b64encode(picture.read_bytes()).decode() if picture.exists() else ""
    known = {"results": results, "failed": failed, "other": other, "verdicts": verdicts, "hero": hero, "profile": profile}
    return render("index.html.j2", **known, when=time.strftime("%Y-%m-%d %H:%M"))


def verdict_rows(result: Result) -> Iterator[dict[str, str]]:
    """For each fact: id, document, question, what is claimed or asked, verdict ("answered" for a question), result in words."""
    for fact in result.facts:
        id, claimed = fact["id"], fact["kind"] == "claim"
        entry = ledger()["claims" if claimed else "answers"].get(id, {})
        found = fact["verdict"] if claimed else fact["answer"]
        question = re.sub(r"\.\w+$" if claimed else r"\(.*\)$", "", id)
        row = {"id": id, "page": result.name, "document": DOCUMENTS.get(id[0], "other"), "question": question, "result": found}
        yield row | {"verdict": found if claimed else "answered", "says": entry.get("statement" if claimed else "question", "")}
