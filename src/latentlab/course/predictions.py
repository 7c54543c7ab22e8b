"""Predict first, compute then: a guess is recorded, and comes back beside what was found."""

from collections.abc import Sequence
from typing import Any

from . import render

_GUESSES: dict[str, tuple[str, Any]] = {}  # question and guess by id, in this kernel


def predict(id: str, question: str, options: Sequence[Any] = (), yours: Any = None) -> None:
    """Record your guess `yours` about `question`: one of `options`, or anything when there are none.

    Raises ValueError for a guess that is not among the options.
    """
    if yours is not None and options and yours not in options:
        raise ValueError(f"{yours!r} is none of the options. Choose one of {', '.join(map(repr, options))}.")
    _GUESSES[id] = question, yours
    choice = f" ({' · '.join(map(str, options))})" if options else ""
    gap = "Write your guess after `yours=` and run this cell again."
    _show(question + choice, gap if yours is None else f"Your guess: {yours}")


def outcome(id: str, found: Any) -> None:
    """Show what was `found` beside the guess of `predict`. Raises KeyError if nothing of that id was asked."""
    if id not in _GUESSES:
        raise KeyError(f"No prediction {id!r} was asked in this notebook. Run the cell with predict({id!r}, …) first.")
    question, guess = _GUESSES[id]
    hit = "as you said" if str(guess) == str(found) else "a surprise worth a minute"
    _show(question, f"Found: {found} ({'you made no guess' if guess is None else f'you said: {guess} – {hit}'})")


def _show(question: str, said: str) -> None:
    html = f"{render.PARAGRAPH}<em>{render.escape(question)}</em><br><strong>{render.escape(said)}</strong></p>"
    render.show(f"{question}\n{said}", html)
