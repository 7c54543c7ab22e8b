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

from latentlab.course.claims import VERDICTS, ledger
from latentlab.course.render import OPEN
from latentlab.data import repository
from latentlab.training import write_atomically

from .page import render

COUNTED = (*VERDICTS, "answered")
HEADER = ("notebook", "minutes", *COUNTED, "not as in the ledger", "errors")
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
    def counts(self) -> Counter[str]:
        """How often each verdict was reached, and a question "answered"."""
        return Counter(fact.get("verdict", "answered") for fact in self.facts)

    @property
    def disagreements(self) -> list[str]:
        """Ids whose computed verdict or answer is not the ledger's; one that is open or unknown there is no matter."""
        return [fact["id"] for fact in self.facts if said(entry(fact)) not in (None, OPEN, said(fact))]

    def summary(self) -> str:
        """One line of words, like "12 confirmed, 2 refuted"."""
        words = [f"{self.counts[word]} {word}" for word in COUNTED if self.counts[word]]
        words += [f"NOT AS IN THE LEDGER: {' '.join(self.disagreements)}"] if self.disagreements else []
        words += [f"{len(unshown)} FORMULAS NOT CONVERTED"] if (unshown := self.about.get("unshown")) else []
        words += ["STOPPED AT AN ERROR"] if self.error else []
        return ", ".join(words) or "no claims"


def entry(fact: dict[str, Any]) -> dict[str, Any]:
    """What the ledger has about a fact."""
    return ledger()["claims" if "verdict" in fact else "answers"].get(fact["id"], {})


def said(about: dict[str, Any]) -> str | None:
    """The verdict or answer of a fact or of an entry."""
    return about.get("verdict", about.get("answer"))


def rows(results: Sequence[Result]) -> list[list[str]]:
    """One row of text per notebook in the order of `HEADER`, and a last one with the sums."""
    table = []
    for r in results:
        counts = [r.counts[word] for word in COUNTED]
        table.append([r.name, r.seconds / 60, *counts, len(r.disagreements), int(bool(r.error))])
    table.append(["all", *(sum(column) for column in list(zip(*table, strict=True))[1:])])
    return [[name, f"{minutes:.1f}", *map(str, counts)] for name, minutes, *counts in table]


def write(results: Sequence[Result], folder: Path, profile: str) -> list[Result]:
    """Write the front door and the search's index, link each page to the next ones; return all, earlier runs' too."""
    known = {result.name: result for result in [*earlier(folder), *results]}
    shown = [known[name] for name in sorted(known)]
    records = [{key: value for key, value in vars(result).items() if key != "page"} for result in shown]
    write_atomically(folder / "course.js", (DATA + json.dumps(records, ensure_ascii=False) + ";\n").encode())
    link = '<a href="{}.html">{} {}</a>'
    for number, result in enumerate(shown):
        sides = [("←", shown[:number][-1:]), ("→", shown[number + 1 : number + 2])]
        near = [link.format(r.name, arrow, escape(r.about["title"])) for arrow, side in sides for r in side]
        nav = r'<!--nav \1--><nav aria-label="\1">' + " ".join(near).replace("\\", r"\\") + "</nav><!--/nav-->"
        new = re.sub(r"(?s)<!--nav (.*?)-->.*?<!--/nav-->", nav, old := result.page.read_text(encoding="utf-8"))
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
    known = {"results": results, "profile": profile, "when": time.strftime("%Y-%m-%d %H:%M")}
    known["verdicts"] = [row for r in results for row in verdict_rows(r)]
    known["hero"] = base64.b64encode(picture.read_bytes()).decode() if picture.exists() else ""
    return render("page.html.j2", front=render("index.html.j2", **known), title="latentlab: a course you can run")


def verdict_rows(result: Result) -> Iterator[dict[str, str]]:
    """For each fact: id, page, document, question, result in words, verdict, and what is claimed or asked."""
    for fact in result.facts:
        id, known = fact["id"], entry(fact)
        row = {"id": id, "page": result.name, "document": DOCUMENTS.get(id[0], "other"), "result": said(fact)}
        row["question"] = re.sub(r"\.\w+$" if "verdict" in fact else r"\(.*\)$", "", id)
        says = known.get("statement", known.get("question", ""))
        yield row | {"verdict": fact.get("verdict", "answered"), "says": says}
