"""Predict first, compute then: a guess is recorded, and comes back beside what was found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import render

_GUESSES: dict[str, tuple[str, Any]] = {}  # question and guess by id, in this kernel


def predict(id: str, question: str, options: Sequence[Any] = (), yours: Any = None) -> None:
    """Record your guess `yours` about `question`: one of `options`, or any number or text when there are none.

    Raises ValueError for a guess that is not among the options.
    """
    if yours is not None and options and yours not in options:
        raise ValueError(f"{yours!r} is none of the options. Choose one of {', '.join(map(repr, options))}.")
    _GUESSES[id] = question, yours
    choice = f" ({' · '.join(map(str, options))})" if options else ""
    said = "Write your guess after `yours=` and run this cell again." if yours is None else f"Your guess: {yours}"
    render.show(f"{question}{choice}\n{said}", _html(question + choice, said))


def outcome(id: str, found: Any) -> None:
    """Show what was `found` beside the guess of `predict`. Raises KeyError if nothing of that id was asked."""
    if id not in _GUESSES:
        raise KeyError(f"No prediction {id!r} was asked in this notebook. Run the cell with predict({id!r}, …) first.")
    question, guess = _GUESSES[id]
    before = "you made no guess" if guess is None else f"you said: {guess}"
    hit = "" if guess is None else (" – as you said" if str(guess) == str(found) else " – a surprise worth a minute")
    render.show(f"{question}\nFound: {found} ({before}{hit})", _html(question, f"Found: {found} ({before}{hit})"))


def _html(question: str, said: str) -> str:
    return f'<p style="margin:.3em 0"><em>{render.escape(question)}</em><br><strong>{render.escape(said)}</strong></p>'
