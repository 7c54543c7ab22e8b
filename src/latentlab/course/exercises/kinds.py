"""What an exercise is, and what kind of mistake a wrong answer looks like. Notebook and grader judge by the same lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from .respond import respond

QUESTIONS = 5  # random questions that one check asks


@dataclass(frozen=True)
class Exercise:
    """A function that the student writes: how to ask it, what is right, and which mistakes are known."""

    id: str  # a ledger id, or "<notebook>.<letter>"
    notebook: str
    points: float
    name: str  # of the function
    solution: Callable[..., Any]
    inputs: Callable[[torch.Generator], tuple]  # one random question: the positional arguments
    mistakes: Mapping[str, Callable[..., Any]] = field(default_factory=dict)  # hint -> the wrong variant it explains
    tolerance: float = 1e-5  # absolute plus relative
    gradient: bool = False  # the slopes at floating-point inputs must be right, too


def questions(exercise: Exercise, seed: int, count: int = QUESTIONS) -> list[tuple]:
    """`count` random questions (tuples of arguments), the same for the same seed; more if those would let a mistake pass.

    A mistake is one of the known ones, or giving the same answer to all questions.
    """
    asked = [exercise.inputs(torch.Generator().manual_seed(1000 * seed + number)) for number in range(count)]
    right = [respond(exercise.solution, inputs, exercise.gradient) for inputs in asked]
    passes = not fault(exercise, asked, [right[0]] * count)
    passes = passes or any(_is_variant(exercise, variant, asked, right) for variant in exercise.mistakes.values())
    return questions(exercise, seed, 2 * count) if passes and count < 500 else asked


def fault(exercise: Exercise, asked: Sequence[tuple], given: Sequence[Sequence[np.ndarray]]) -> str:
    """What is wrong with the responses `given` to the questions `asked`, in one sentence; empty if nothing is.

    A known mistake is named first; else shape, sign, a constant factor, slopes without gradient, or the largest difference.
    """
    right = [respond(exercise.solution, inputs, exercise.gradient) for inputs in asked]
    faults = [_first_fault(g, r, exercise.tolerance) for g, r in zip(given, right, strict=True)]
    if not any(faults):
        return ""
    for hint, variant in exercise.mistakes.items():
        if _is_variant(exercise, variant, asked, given):
            return hint[0].upper() + hint[1:].rstrip(".") + "."
    return next(filter(None, faults))


def _is_variant(exercise: Exercise, variant: Callable[..., Any], asked: Sequence[tuple], given: Sequence) -> bool:
    """Whether all responses are those of a known wrong variant."""
    try:
        wrong = [respond(variant, inputs, exercise.gradient) for inputs in asked]
    except Exception:  # noqa: BLE001 - a variant may well fail on some question: then it explains nothing
        return False
    return not any(_first_fault(g, w, exercise.tolerance) for g, w in zip(given, wrong, strict=True))


def _first_fault(given: Sequence[np.ndarray], right: Sequence[np.ndarray], tolerance: float) -> str:
    if len(given) != len(right):
        return f"It returns {len(given)} values, expected {len(right)}."
    values = [_difference(g, r, tolerance) for g, r in zip(given, right, strict=True)]
    return next(filter(None, values), "")


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
