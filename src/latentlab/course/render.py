"""How claims, answers and tables look: the same words as text and as HTML, readable in dark and in light."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

OPEN = "open"  # in the ledger, until the notebook computes it
# Edges only; all text keeps the page's own colour, and no meaning rests on the edge.
EDGES = {
    "confirmed": "#009e73", "refuted": "#d55e00", "depends": "#cc79a7", "unresolved": "#56b4e9",
    "undecidable": "#8a8a8a",
}  # fmt: skip
PLAIN_EDGE = "#0072b2"
PARAGRAPH = '<p style="margin:.3em 0">'
NARROW = "padding:.2em .8em;text-align:left"
CELL = "padding:.2em .6em;text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere"


def mark(holds: Any) -> tuple[str, str]:
    """Sign and word of a condition: true, false, or neither."""
    if not isinstance(holds, bool):
        return "?", "within the noise"
    return ("✓", "holds") if holds else ("✗", "fails")


def mark_html(holds: Any) -> str:
    """The sign, which a screen reader says as the word."""
    sign, word = mark(holds)
    return f'<span role="img" aria-label="{word}">{sign}</span>'


@dataclass(frozen=True)
class Card:
    """What is shown for one claim or answer."""

    kind: str  # "claim" or "answer"
    id: str
    statement: str
    conditions: Mapping[str, Any]  # true, false or Unresolved
    see: Mapping[str, str]
    note: str
    result: str  # the verdict, or the answer
    because: str
    expected: str  # the ledger's result, or OPEN

    @property
    def word(self) -> str:
        return "Verdict" if self.kind == "claim" else "Answer"

    @property
    def agreement(self) -> str:
        """Whether the ledger agrees, in words."""
        if self.expected == OPEN:
            return "the ledger is still open"
        return "as in the ledger" if self.result == self.expected else f"the ledger says {self.expected}"

    @property
    def fact(self) -> dict[str, str]:
        """What a test reads in the output's metadata."""
        return {"kind": self.kind, "id": self.id, self.word.lower(): self.result}


def card_text(card: Card) -> str:
    """A claim or answer as plain text, one line per condition."""
    lines = [f"{card.id}  {card.statement}"]
    lines += [f"  {mark(holds)[0]} {name}" for name, holds in card.conditions.items()]
    lines += [f"  {name}: {value}" for name, value in card.see.items()]
    lines += [f"  {card.note}"] if card.note else []
    because = f" – {card.because}" if card.because else ""
    return "\n".join([*lines, f"{card.word}: {card.result}{because} ({card.agreement})"])


def card_html(card: Card) -> str:
    """The same as an HTML section: real list, real words for the marks, inherited text colour."""
    note = f"{PARAGRAPH}{escape(card.note)}</p>" if card.note else ""
    because = f" – {escape(card.because)}" if card.because else ""
    edge = EDGES.get(card.result, PLAIN_EDGE) if card.kind == "claim" else PLAIN_EDGE
    verdict = f"{card.word}: <strong>{escape(card.result)}</strong>{because} ({escape(card.agreement)})"
    return (
        f'<section aria-label="{card.kind.capitalize()} {escape(card.id)}" '
        f'style="border-left:.3em solid {edge};padding:.2em .8em;margin:.4em 0;color:inherit;background:transparent">'
        f"{PARAGRAPH}<strong>{escape(card.id)}</strong> {escape(card.statement)}</p>{_list(card)}{note}"
        f"{PARAGRAPH}{verdict}</p></section>"
    )


def _list(card: Card) -> str:
    """Conditions and measured evidence as an HTML list."""
    rows = [f"<li>{mark_html(holds)} {escape(name)}</li>" for name, holds in card.conditions.items()]
    rows += [f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in card.see.items()]
    return f'<ul style="list-style:none;margin:.3em 0;padding-left:.6em">{"".join(rows)}</ul>' if rows else ""


def cards_html(title: str, cards: Sequence[Card]) -> str:
    """Several of them as one table: claim, evidence, verdict."""
    rows = "".join(
        f'<tr><th scope="row" style="{CELL}"><span id="{escape(card.id)}">{escape(card.id)}</span></th>'
        f'<td style="{CELL}">{escape(card.statement)}</td><td style="{CELL}">{_evidence(card)}</td>'
        f'<td style="{CELL};border-left:.3em solid {EDGES.get(card.result, PLAIN_EDGE)}">'
        f"<strong>{escape(card.result)}</strong>"
        f"{'' if card.expected in (OPEN, card.result) else f' ({escape(card.agreement)})'}</td></tr>"
        for card in cards
    )
    table = _table(f"<strong>{escape(title)}</strong>", ("id", "claim", "evidence", "verdict"), CELL, rows)
    return f'<div style="overflow-x:auto">{table}</div>'


def _evidence(card: Card) -> str:
    """Why, in a few words, with everything that was tested folded below."""
    listed = _list(card)
    details = f"<details><summary>what was tested</summary>{listed}</details>" if listed else ""
    return escape(card.note or card.because or "computed above") + details


def _table(caption: str, header: Sequence[str], style: str, rows: str) -> str:
    """Caption and rows are HTML already; inherited colours."""
    head = "".join(f'<th scope="col" style="{style}">{escape(word)}</th>' for word in header)
    title = f'<caption style="text-align:left;color:inherit">{caption}</caption>' if caption else ""
    inside = f"{title}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<table style="color:inherit;background:transparent">{inside}</table>'


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table as text; all columns but the last are padded, so that a live last column never moves the others."""
    widths = [max(map(len, column)) for column in list(zip(header, *rows, strict=True))[:-1]]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in [header, *rows]]
    lines.insert(1, "  ".join("─" * width for width in [*widths, len(header[-1])]))
    return "\n".join(lines)


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table as HTML: caption, column headers, row headers."""
    body = "".join(
        f'<tr><th scope="row" style="{NARROW}">{escape(first)}</th>'
        + "".join(f'<td style="{NARROW}">{escape(word)}</td>' for word in rest)
        + "</tr>"
        for first, *rest in rows
    )
    return _table(escape(caption), header, NARROW, body)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
    """Show a table whose cells may all be measured: as text a row is a line "first: second …, third …", unpadded.

    header names the columns, each row has as many cells. Raises ValueError if one has not.
    """
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"Each row needs {len(header)} cells, one for each of {', '.join(header)}.")
    lines = [caption] if caption else []
    for first, *rest in rows:
        lines.append(f"{first}: " + ", ".join(f"{word} {cell}" for word, cell in zip(header[1:], rest, strict=True)))
    show("\n".join(lines), table_html(header, rows, caption))


def show(text: str, html: str, facts: list[dict[str, str]] | None = None) -> None:
    """Display text and HTML in a notebook, `facts` in the metadata under "latentlab"; elsewhere print the text."""
    if "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None:
        print(text)
        return
    from IPython.display import display

    metadata = {"latentlab": facts} if facts else {}
    display({"text/plain": text, "text/html": html}, metadata=metadata, raw=True)
