"""Claims and answers: the verdict is computed from named conditions, never typed, and compared with the ledger."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

from latentlab.evaluation import Unresolved

from . import render

VERDICTS = ("confirmed", "refuted", "depends", "unresolved", "undecidable")
OPEN = "open"
Truth = bool | Unresolved
_COLLECTING: list[list[render.Card]] = []  # the tables that are open: one, or none


class Verdict(str):
    """A verdict. A string in every way, except that a notebook does not echo it: `claim` has shown it already."""

    def _ipython_display_(self) -> None:
        return None


class Agreement(int):
    """1 if an answer equals the ledger's, else 0. Not echoed by a notebook: `answer` has shown it already."""

    def _ipython_display_(self) -> None:
        return None


@cache
def ledger() -> dict[str, dict[str, dict[str, str]]]:
    """The claims ledger: {"claims": {id: {statement, verdict, notebook}}, "answers": {id: {question, answer, notebook}}}."""
    return tomllib.loads(resources.files(__package__).joinpath("claims.toml").read_text(encoding="utf-8"))


def claim(
    id: str,
    parts: Mapping[str, Any] | None = None,
    cases: Mapping[str, Any] | None = None,
    undecidable: str | None = None,
    see: Mapping[str, str] | None = None,
    note: str | None = None,
) -> Verdict:
    """Test one claim of the ledger, show the evidence, and return the verdict.

    Give exactly one of three; a condition is true, false, or Unresolved (see `evaluation.ahead`).
    `parts` is what the claim asserts: all hold = "confirmed", one fails = "refuted".
    `cases` are circumstances: true in all = "confirmed", in none = "refuted", in some = "depends".
    `undecidable` is the reason why no computation can decide. `see` shows measured evidence, e.g. {"probe": "≈ 86.2 %"};
    `note` is one sentence below it. Raises KeyError for an unknown id, TypeError for a condition that is not true or false.
    """
    entry = _entry("claims", id)
    if sum(given is not None for given in (parts, cases, undecidable)) != 1:
        raise TypeError(f"claim({id!r}) needs exactly one of parts=, cases= and undecidable=.")
    if undecidable is not None:
        if not isinstance(undecidable, str) or not undecidable.strip():
            raise TypeError(f"claim({id!r}): undecidable= must be the reason, in words.")
        conditions, verdict, because = {}, "undecidable", undecidable.strip()
    elif parts is not None:
        conditions = _conditions(id, "parts", parts)
        verdict, because = _judge_parts(conditions)
    else:
        conditions = _conditions(id, "cases", cases)
        verdict, because = _judge_cases(conditions)
    _show("claim", id, entry["statement"], conditions, see, note, verdict, because, entry["verdict"])
    return Verdict(verdict)


def answer(id: str, value: Any, see: Mapping[str, str] | None = None, note: str | None = None) -> Agreement:
    """Answer one question of the ledger with a computed `value`; show it and return whether str(value) is the ledger's answer.

    Raises KeyError for an unknown id, TypeError if `value` is empty.
    """
    entry = _entry("answers", id)
    text = str(value).strip()
    if value is None or not text:
        raise TypeError(f"answer({id!r}) needs a value: what the cell computed, as text or a number.")
    _show("answer", id, entry["question"], {}, see, note, text, "", entry["answer"])
    return Agreement(text == entry["answer"])


def _judge_parts(parts: dict[str, Truth]) -> tuple[str, str]:
    """Every part must hold; a part that fails is named, and so is one that the noise hides."""
    failing = [name for name, holds in parts.items() if holds is False]
    if failing:
        return "refuted", "fails: " + "; ".join(failing)
    hidden = _hidden(parts)
    if hidden:
        return "unresolved", hidden
    return "confirmed", "every part holds" if len(parts) > 1 else ""


def _judge_cases(cases: dict[str, Truth]) -> tuple[str, str]:
    """True in all cases, in none, or in some; unresolved if the hidden ones decide between these."""
    true, false = (sum(holds is wanted for holds in cases.values()) for wanted in (True, False))
    if true and false:
        return "depends", f"true in {true} of {len(cases)} cases"
    hidden = _hidden(cases)
    if hidden:
        return "unresolved", hidden
    return ("confirmed", f"true in all {true} cases") if true else ("refuted", f"true in none of {len(cases)} cases")


def _hidden(conditions: dict[str, Truth]) -> str:
    """Which conditions are within the noise, with the difference, the noise and the seeds that would decide."""
    hidden = {name: value for name, value in conditions.items() if isinstance(value, Unresolved)}
    return "within the noise: " + "; ".join(f"{name} ({value})" for name, value in hidden.items()) if hidden else ""


@contextmanager
def verdicts(title: str) -> Iterator[None]:
    """Show the claims and answers of one question as one table: claim, evidence, verdict; details folded."""
    _COLLECTING.append([])
    try:
        yield
    finally:
        cards = _COLLECTING.pop()
    if cards:
        render.show(render.cards_text(title, cards), render.cards_html(title, cards), [_fact(card) for card in cards])


def _conditions(id: str, word: str, conditions: Mapping[str, Any]) -> dict[str, Truth]:
    """Conditions as plain booleans or Unresolved, in the order given."""
    if not isinstance(conditions, Mapping) or not conditions:
        raise TypeError(f"claim({id!r}): {word}= must be a non-empty dict of names and conditions, like {{'loss falls': a < b}}.")
    return {_name(id, word, name): _truth(id, name, value) for name, value in conditions.items()}


def _name(id: str, word: str, name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise TypeError(f"claim({id!r}): every key of {word}= must say in words what is tested; {name!r} does not.")
    return name


def _truth(id: str, name: str, value: Any) -> Truth:
    """A Python, numpy or torch boolean as a Python bool; a number or an array is refused, because it hides a decision."""
    if isinstance(value, bool | Unresolved):
        return value
    if getattr(value, "ndim", None) == 0 and str(getattr(value, "dtype", "")) in ("bool", "torch.bool"):
        return bool(value)
    shape = tuple(getattr(value, "shape", ()))
    if shape:
        todo = f"it has shape {shape}: reduce it with .all() or .any(), or make one condition of every element"
    else:
        todo = "compare it with something (a < b) or wrap it in bool(...)"
    raise TypeError(f"claim({id!r}): the condition {name!r} must be true or false but is a {type(value).__name__}; {todo}.")


def _entry(table: str, id: str) -> dict[str, str]:
    """One entry of the ledger; an unknown id names its nearest neighbours."""
    book = ledger()
    if id in book[table]:
        return book[table][id]
    other = "answers" if table == "claims" else "claims"
    if id in book[other]:
        raise KeyError(f"{id!r} stands in the ledger under {other}: call {other[:-1]}() instead.")
    near = _nearest(str(id), list(book[table]))
    hint = f" Nearest: {', '.join(near)}." if near else ""
    raise KeyError(f"No {table[:-1]} {id!r} in the ledger (latentlab/course/claims.toml).{hint}")


def _nearest(id: str, known: list[str]) -> list[str]:
    """The parts of the question meant, or its siblings, or else what is spelt alike."""
    parts = [other for other in known if other.startswith(id)]
    siblings = [other for other in known if "." in id and other.startswith(id.rpartition(".")[0] + ".")]
    return parts[:6] or difflib.get_close_matches(id, siblings or known, n=3, cutoff=0.5)


def _show(kind, id, statement, conditions, see, note, result, because, expected) -> None:
    """Render as text and HTML, with what a test wants to read in the output's metadata."""
    agrees = None if expected == OPEN else result == expected
    card = render.Card(kind, id, statement, conditions, dict(see or {}), note or "", result, because, agrees, expected)
    if _COLLECTING:
        _COLLECTING[-1].append(card)
    else:
        render.show(render.card_text(card), render.card_html(card), [_fact(card)])


def _fact(card: render.Card) -> dict[str, str]:
    """What a test reads in an output's metadata."""
    return {"kind": card.kind, "id": card.id, "verdict" if card.kind == "claim" else "answer": card.result}
