"""How claims, answers and tables look: the same words as text and as HTML, readable in dark and in light."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

# Edges only; all text keeps the page's own colour, and no meaning rests on the edge.
EDGES = {"confirmed": "#009e73", "refuted": "#d55e00", "depends": "#cc79a7", "undecidable": "#8a8a8a"}
PLAIN_EDGE = "#0072b2"
MARKS = {True: ("✓", "holds"), False: ("✗", "fails")}


@dataclass(frozen=True)
class Card:
    """What is shown for one claim or answer."""

    kind: str  # "claim" or "answer"
    id: str
    statement: str
    conditions: Mapping[str, bool]
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
    lines += [f"  {MARKS[holds][0]} {name}" for name, holds in card.conditions.items()]
    lines += [f"  {name}: {value}" for name, value in card.see.items()]
    lines += [f"  {card.note}"] if card.note else []
    because = f" – {card.because}" if card.because else ""
    lines.append(f"{result_word(card)}: {card.result}{because} ({ledger_words(card)})")
    return "\n".join(lines)


def card_html(card: Card) -> str:
    """The same as an HTML section: real list, real words for the marks, inherited text colour."""
    rows = [
        f'<li><span role="img" aria-label="{word}">{mark}</span> {escape(name)}</li>'
        for name, (mark, word) in ((name, MARKS[holds]) for name, holds in card.conditions.items())
    ]
    rows += [f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in card.see.items()]
    listed = f'<ul style="list-style:none;margin:.3em 0;padding-left:.6em">{"".join(rows)}</ul>' if rows else ""
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


def show(text: str, html: str, facts: dict[str, Any] | None = None) -> None:
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
