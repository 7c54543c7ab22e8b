"""How claims, answers and tables look: the same words as text and as HTML, readable in dark and in light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# Edges only; all text keeps the page's own colour, and no meaning rests on the edge.
EDGES = {
    "confirmed": "#009e73", "refuted": "#d55e00", "depends": "#cc79a7", "unresolved": "#56b4e9", "undecidable": "#8a8a8a"
}  # fmt: skip
PLAIN_EDGE = "#0072b2"
MARKS = {True: ("✓", "holds"), False: ("✗", "fails")}
HIDDEN = ("?", "within the noise")
CELL = "padding:.2em .6em;text-align:left;vertical-align:top;white-space:normal;overflow-wrap:anywhere"


def mark(holds: Any) -> tuple[str, str]:
    """Sign and word of a condition: true, false, or neither."""
    return MARKS[holds] if isinstance(holds, bool) else HIDDEN


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
    agrees: bool | None  # None: the ledger is still open
    expected: str


def ledger_words(card: Card) -> str:
    """Whether the ledger agrees, in words."""
    if card.agrees is None:
        return "the ledger is still open"
    return "as in the ledger" if card.agrees else f"the ledger says {card.expected}"


def card_text(card: Card) -> str:
    """A claim or answer as plain text, one line per condition."""
    lines = [f"{card.id}  {card.statement}"]
    lines += [f"  {mark(holds)[0]} {name}" for name, holds in card.conditions.items()]
    lines += [f"  {name}: {value}" for name, value in card.see.items()]
    lines += [f"  {card.note}"] if card.note else []
    because = f" – {card.because}" if card.because else ""
    lines.append(f"{result_word(card)}: {card.result}{because} ({ledger_words(card)})")
    return "\n".join(lines)


def card_html(card: Card) -> str:
    """The same as an HTML section: real list, real words for the marks, inherited text colour."""
    listed = _list(card)
    note = f'<p style="margin:.3em 0">{escape(card.note)}</p>' if card.note else ""
    because = f" – {escape(card.because)}" if card.because else ""
    edge = EDGES.get(card.result, PLAIN_EDGE) if card.kind == "claim" else PLAIN_EDGE
    return (
        f'<section aria-label="{card.kind.capitalize()} {escape(card.id)}" '
        f'style="border-left:.3em solid {edge};padding:.2em .8em;margin:.4em 0;color:inherit;background:transparent">'
        f'<p style="margin:.3em 0"><strong>{escape(card.id)}</strong> {escape(card.statement)}</p>{listed}{note}'
        f'<p style="margin:.3em 0">{result_word(card)}: <strong>{escape(card.result)}</strong>{because} '
        f"({escape(ledger_words(card))})</p></section>"
    )


def _list(card: Card) -> str:
    """Conditions and measured evidence as an HTML list."""
    marked = ((*mark(holds), escape(name)) for name, holds in card.conditions.items())
    rows = [f'<li><span role="img" aria-label="{word}">{sign}</span> {name}</li>' for sign, word, name in marked]
    rows += [f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in card.see.items()]
    return f'<ul style="list-style:none;margin:.3em 0;padding-left:.6em">{"".join(rows)}</ul>' if rows else ""


def cards_text(title: str, cards: Sequence[Card]) -> str:
    """Several claims and answers as text, one below the other."""
    return "\n".join([title, *map(card_text, cards)])


def cards_html(title: str, cards: Sequence[Card]) -> str:
    """The same as one table: claim, evidence, verdict; the conditions are folded below the evidence."""
    rows = "".join(
        f'<tr><th scope="row" style="{CELL}"><span id="{escape(card.id)}">{escape(card.id)}</span></th>'
        f'<td style="{CELL}">{escape(card.statement)}</td><td style="{CELL}">{_evidence(card)}</td>'
        f'<td style="{CELL};border-left:.3em solid {EDGES.get(card.result, PLAIN_EDGE)}"><strong>{escape(card.result)}</strong>'
        f"{'' if card.agrees in (True, None) else ' (' + escape(ledger_words(card)) + ')'}</td></tr>"
        for card in cards
    )
    head = "".join(f'<th scope="col" style="{CELL}">{word}</th>' for word in ("id", "claim", "evidence", "verdict"))
    caption = f'<caption style="text-align:left;color:inherit"><strong>{escape(title)}</strong></caption>'
    table = f"{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return f'<div style="overflow-x:auto"><table style="color:inherit;background:transparent">{table}</table></div>'


def _evidence(card: Card) -> str:
    """Why, in a few words, with everything that was tested folded below."""
    short = card.note or card.because or "computed above"
    details = f"<details><summary>what was tested</summary>{_list(card)}</details>" if card.conditions or card.see else ""
    return escape(short) + details


def result_word(card: Card) -> str:
    return "Verdict" if card.kind == "claim" else "Answer"


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table as text; all columns but the last are padded, so that a live last column never moves the others."""
    table = [list(header), *[list(row) for row in rows]]
    widths = [max(len(row[i]) for row in table) for i in range(len(header) - 1)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in table]
    lines.insert(1, "  ".join("─" * width for width in [*widths, len(header[-1])]))
    return "\n".join([caption, *lines] if caption else lines)


def table_html(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table as HTML: caption, column headers, row headers, inherited colours."""
    cell = 'style="padding:.2em .8em;text-align:left"'
    head = "".join(f'<th scope="col" {cell}>{escape(word)}</th>' for word in header)
    body = "".join(
        f'<tr><th scope="row" {cell}>{escape(first)}</th>' + "".join(f"<td {cell}>{escape(word)}</td>" for word in rest) + "</tr>"
        for first, *rest in rows
    )
    title = f'<caption style="text-align:left;color:inherit">{escape(caption)}</caption>' if caption else ""
    table = f"{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<table style="color:inherit;background:transparent">{table}</table>'


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> None:
    """Show a table whose cells may all be measured: as text each row is one line "first: second …, third …", nothing is padded.

    header names the columns, each row has as many cells. Raises ValueError if one has not.
    """
    if any(len(row) != len(header) for row in rows):
        raise ValueError(f"Each row needs {len(header)} cells, one for each of {', '.join(header)}.")
    named = [(first, zip(header[1:], rest, strict=True)) for first, *rest in rows]
    lines = [f"{first}: " + ", ".join(f"{word} {cell}" for word, cell in cells) for first, cells in named]
    show("\n".join([caption, *lines] if caption else lines), table_html(header, rows, caption))


def show(text: str, html: str, facts: list[dict[str, str]] | None = None) -> None:
    """Display text and HTML in a notebook, with `facts` in the output's metadata under "latentlab"; print the text elsewhere."""
    if not in_ipython():
        print(text)
        return
    from IPython.display import display

    metadata = {"latentlab": facts} if facts else {}
    display({"text/plain": text, "text/html": html}, metadata=metadata, raw=True)


def in_ipython() -> bool:
    """Whether an IPython shell runs this code."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None
