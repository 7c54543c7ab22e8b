"""Claims and answers: the verdict is computed from named conditions, never typed, and compared with the ledger."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

from latentlab.evaluation import Unresolved

from . import render
from .render import Card

VERDICTS = ("confirmed", "refuted", "depends", "unresolved", "undecidable")
Truth = bool | Unresolved
_COLLECTING: list[list[Card]] = []  # the tables that are open: one, or none


class Shown:
    """A notebook does not echo it: what returned it has shown it already."""

    def _ipython_display_(self) -> None:
        return None


class Verdict(Shown, str):
    """One of VERDICTS."""


class Agreement(Shown, int):
    """1 if an answer equals the ledger's, else 0."""


@cache
def ledger() -> dict[str, dict[str, dict[str, str]]]:
    """The claims ledger: {"claims": {id: statement, verdict, notebook}, "answers": {id: question, answer, notebook}}"""
    return tomllib.loads(resources.files(__package__).joinpath("claims.toml").read_text(encoding="utf-8"))


def claim(
    id: str,
    parts: Mapping[str, Any] | None = None,
    cases: Mapping[str, Any] | None = None,
    undecidable: str | None = None,
    see: Mapping[str, str] | None = None,
    note: str = "",
) -> Verdict:
    """Test one claim of the ledger, show the evidence, and return the verdict.

    Give exactly one of three; a condition is true, false, or Unresolved (see `evaluation.ahead`).
    `parts` is what the claim asserts: all hold = "confirmed", one fails = "refuted".
    `cases` are circumstances: true in all = "confirmed", in none = "refuted", in some = "depends".
    `undecidable` is the reason why no computation can decide. `see` shows measured evidence, {"probe": "≈ 86.2 %"};
    `note` is one sentence below it. Raises KeyError for an unknown id, TypeError for a condition without a truth value.
    """
    entry, conditions = _entry("claims", id), {}
    if sum(given is not None for given in (parts, cases, undecidable)) != 1:
        raise TypeError(f"claim({id!r}) needs exactly one of parts=, cases= and undecidable=.")
    if parts is not None:
        conditions = _conditions(id, "parts", parts)
        verdict, because = _judge_parts(conditions)
    elif cases is not None:
        conditions = _conditions(id, "cases", cases)
        verdict, because = _judge_cases(conditions)
    elif isinstance(undecidable, str) and undecidable.strip():
        verdict, because = "undecidable", undecidable.strip()
    else:
        raise TypeError(f"claim({id!r}): undecidable= must be the reason, in words.")
    _show(Card("claim", id, entry["statement"], conditions, see or {}, note, verdict, because, entry["verdict"]))
    return Verdict(verdict)


def answer(id: str, value: Any, see: Mapping[str, str] | None = None, note: str = "") -> Agreement:
    """Answer one question of the ledger with a computed `value`; show it, return whether str(value) is the ledger's.

    Raises KeyError for an unknown id, TypeError if `value` is empty.
    """
    entry, text = _entry("answers", id), str(value).strip()
    if value is None or not text:
        raise TypeError(f"answer({id!r}) needs a value: what the cell computed, as text or a number.")
    _show(Card("answer", id, entry["question"], {}, see or {}, note, text, "", entry["answer"]))
    return Agreement(text == entry["answer"])


@contextmanager
def verdicts(title: str) -> Iterator[None]:
    """Show the claims and answers of one question as one table: claim, evidence, verdict; details folded."""
    _COLLECTING.append([])
    try:
        yield
    finally:
        cards = _COLLECTING.pop()
    if cards:
        facts = [card.fact for card in cards]
        render.show("\n".join([title, *map(render.card_text, cards)]), render.cards_html(title, cards), facts)


def _show(card: Card) -> None:
    """In the table that is open, else at once."""
    if _COLLECTING:
        _COLLECTING[-1].append(card)
    else:
        render.show(render.card_text(card), render.card_html(card), [card.fact])


def _judge_parts(parts: dict[str, Truth]) -> tuple[str, str]:
    """Every part must hold; a part that fails is named, and so is one that the noise hides."""
    failing = [name for name, holds in parts.items() if holds is False]
    if failing:
        return "refuted", "fails: " + "; ".join(failing)
    return _hidden(parts) or ("confirmed", "every part holds" if len(parts) > 1 else "")


def _judge_cases(cases: dict[str, Truth]) -> tuple[str, str]:
    """True in all cases, in none, or in some; unresolved if the hidden ones decide between these."""
    true, false = (sum(holds is wanted for holds in cases.values()) for wanted in (True, False))
    if true and false:
        return "depends", f"true in {true} of {len(cases)} cases"
    certain = ("confirmed", f"true in all {true} cases") if true else ("refuted", f"true in none of {len(cases)} cases")
    return _hidden(cases) or certain


def _hidden(conditions: dict[str, Truth]) -> tuple[str, str] | None:
    """If some are within the noise: which, with the difference, the noise and the seeds that would decide."""
    hidden = [f"{name} ({value})" for name, value in conditions.items() if isinstance(value, Unresolved)]
    return ("unresolved", "within the noise: " + "; ".join(hidden)) if hidden else None


def _conditions(id: str, word: str, conditions: Mapping[str, Any]) -> dict[str, Truth]:
    """Conditions as plain booleans or Unresolved, in the order given."""
    if not isinstance(conditions, Mapping) or not conditions:
        raise TypeError(f"claim({id!r}): {word}= must be a non-empty dict, like {{'loss falls': a < b}}.")
    for name in conditions:
        if not isinstance(name, str) or not name.strip():
            raise TypeError(f"claim({id!r}): every key of {word}= must say in words what is tested; {name!r} does not.")
    return {name: _truth(id, name, value) for name, value in conditions.items()}


def _truth(id: str, name: str, value: Any) -> Truth:
    """A Python, numpy or torch boolean as bool; a number or an array is refused, because it hides a decision."""
    if isinstance(value, bool | Unresolved):
        return value
    if getattr(value, "ndim", None) == 0 and str(getattr(value, "dtype", "")) in ("bool", "torch.bool"):
        return bool(value)
    todo = "compare it with something (a < b) or wrap it in bool(...)"
    if getattr(value, "shape", ()):
        todo = f"it has shape {tuple(value.shape)}: reduce it with .all() or .any(), or give every element a name"
    kind = type(value).__name__
    raise TypeError(f"claim({id!r}): the condition {name!r} must be true or false but is a {kind}; {todo}.")


def _entry(table: str, id: str) -> dict[str, str]:
    """One entry of the ledger; an unknown id names its parts, or else what is spelt alike, siblings first."""
    book, other = ledger(), "answers" if table == "claims" else "claims"
    if id in book[table]:
        return book[table][id]
    if id in book[other]:
        raise KeyError(f"{id!r} stands in the ledger under {other}: call {other[:-1]}() instead.")
    siblings = [known for known in book[table] if "." in id and known.startswith(id.rpartition(".")[0] + ".")]
    near = [known for known in book[table] if known.startswith(id)][:6]
    near = near or difflib.get_close_matches(id, siblings or book[table], n=3, cutoff=0.5)
    hint = f" Nearest: {', '.join(near)}." if near else ""
    raise KeyError(f"No {table[:-1]} {id!r} in the ledger (latentlab/course/claims.toml).{hint}")
