"""What an exercise is, and what mistake a wrong answer looks like. Notebook and grader judge by the same lines."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from .respond import respond

QUESTIONS = 5  # random questions that one check asks
Responses = Sequence[Sequence[np.ndarray]]  # for each question the arrays that `respond` gives


@dataclass(frozen=True)
class Exercise:
    """A function that the student writes: how to ask it, what is right, and which mistakes are known."""

    id: str  # a ledger id, or "<notebook's number>.<letter>"
    solution: Callable[..., Any]  # bears the name that the student's function has
    inputs: Callable[[torch.Generator], tuple]  # one random question: the positional arguments
    mistakes: Mapping[str, Callable[..., Any]]  # hint -> the wrong variant it explains
    points: float = 1
    tolerance: float = 1e-5  # absolute plus relative
    gradient: bool = False  # the slopes at floating-point inputs must be right, too
    notebook: str = ""  # filled in by `exercises()`

    @property
    def name(self) -> str:
        return self.solution.__name__

    def responses(self, function: Callable[..., Any], asked: Sequence[tuple]) -> Responses:
        """What `function` gives to every question."""
        return [respond(function, inputs, self.gradient) for inputs in asked]


def normal(g: torch.Generator, *shapes: int | tuple, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, ...]:
    """A tensor of standard normal numbers for each shape."""
    return tuple(torch.randn(shape, generator=g, dtype=dtype) for shape in shapes)


def questions(exercise: Exercise, seed: int, count: int = QUESTIONS) -> list[tuple]:
    """`count` random questions (tuples of arguments), the same for the same seed; more if those let a mistake pass.

    A mistake is one of the known ones, or giving the same answer to all questions.
    """
    asked = [exercise.inputs(torch.Generator().manual_seed(1000 * seed + number)) for number in range(count)]
    right = exercise.responses(exercise.solution, asked)
    passes = not _first_fault([right[0]] * count, right, exercise.tolerance)
    passes = passes or any(_is_variant(exercise, variant, asked, right) for variant in exercise.mistakes.values())
    return questions(exercise, seed, 2 * count) if passes and count < 500 else asked


def fault(exercise: Exercise, asked: Sequence[tuple], given: Responses) -> str:
    """What is wrong with the responses `given` to the questions `asked`, in one sentence; empty if nothing is.

    A known mistake comes first; else shape, zeros, sign, transposition, a constant factor, or the largest difference.
    """
    found = _first_fault(given, exercise.responses(exercise.solution, asked), exercise.tolerance)
    for hint, variant in exercise.mistakes.items():
        if found and _is_variant(exercise, variant, asked, given):
            return hint[0].upper() + hint[1:] + "."
    return found


def _is_variant(exercise: Exercise, variant: Callable[..., Any], asked: Sequence[tuple], given: Responses) -> bool:
    """Whether all responses are those of a known wrong variant."""
    try:
        return not _first_fault(given, exercise.responses(variant, asked), exercise.tolerance)
    except Exception:  # noqa: BLE001 - a variant may well fail on some question: then it explains nothing
        return False


def _first_fault(given: Responses, expected: Responses, tolerance: float) -> str:
    """The first thing that distinguishes two lists of responses, in one sentence; empty if nothing does."""
    for ours, theirs in zip(given, expected, strict=True):
        if len(ours) != len(theirs):
            return f"It returns {len(ours)} values, expected {len(theirs)}."
        for value, right in zip(ours, theirs, strict=True):
            if found := _difference(value, right, tolerance):
                return found
    return ""


def _difference(value: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    """What distinguishes one array from the expected one, in one sentence; empty if nothing does."""
    if value.dtype.kind == "U" or expected.dtype.kind == "U":
        return "" if value.dtype.kind == expected.dtype.kind and (value == expected).all() else "The words differ."
    if value.shape != expected.shape:
        return f"Its shape is {value.shape}, expected {expected.shape}."
    if not np.isfinite(value).all() and np.isfinite(expected).all():
        return "It holds NaN or infinity."
    same = {"rtol": tolerance, "atol": tolerance}
    if np.allclose(value, expected, **same, equal_nan=True):
        return ""
    if not value.any():
        return "It is zero where it should not be: is a gradient detached, or the result never filled?"
    if np.allclose(-value, expected, **same):
        return "Its sign is wrong."
    if value.ndim == 2 and value.shape[0] == value.shape[1] and np.allclose(value.T, expected, **same):
        return "Rows and columns are swapped: look at the axis."
    with np.errstate(all="ignore"):  # a known mistake may well be infinite somewhere
        factor = np.abs(value).sum() / np.abs(expected).sum() if expected.any() else 0.0
        proportional = np.allclose(value, factor * expected, **same)
    if proportional:
        return f"It is {factor:.4g} times too large." if factor > 1 else f"It is {1 / factor:.4g} times too small."
    return f"The largest difference is {np.abs(value - expected).max():.3g}."
