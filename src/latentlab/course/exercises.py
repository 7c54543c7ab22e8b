"""Exercises: a student's result is checked at once, with a hint at what is wrong."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from . import render


def check(name: str, value: Any, expected: Any, tolerance: float = 1e-6, hint: str = "") -> bool:
    """Show whether `value` equals `expected` within `tolerance` (absolute plus relative), with a hint if not; return it.

    value, expected: numbers, arrays or tensors of any shape. `hint` is shown when the value is wrong, after what can be seen
    from the numbers: another shape, not a number, the sign, a constant factor.
    """
    ours, theirs = _array(expected), _array(value)
    fault = _fault(theirs, ours, tolerance)
    right = not fault
    mark = render.MARKS[right][0]
    text = f"{name}: right" if right else " ".join(filter(None, [f"{name}: not yet.", fault, hint]))
    html = f'<p><span role="img" aria-label="{"right" if right else "wrong"}">{mark}</span> {escape(text)}</p>'
    render.show(f"{mark} {text}", html)
    return right


def _array(value: Any) -> np.ndarray:
    """A number, array or tensor as float64 (complex stays complex)."""
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
    return value if np.iscomplexobj(value) else value.astype(np.float64)


def _fault(value: np.ndarray, expected: np.ndarray, tolerance: float) -> str:
    """What is wrong, in one sentence; empty if nothing is."""
    if value.shape != expected.shape:
        return f"Its shape is {value.shape}, expected {expected.shape}."
    if not np.isfinite(value).all() and np.isfinite(expected).all():
        return "It holds NaN or infinity."
    same = {"rtol": tolerance, "atol": tolerance}
    if np.allclose(value, expected, **same, equal_nan=True):
        return ""
    if np.allclose(-value, expected, **same):
        return "Its sign is wrong."
    scale = np.abs(expected).sum()
    factor = np.abs(value).sum() / scale if scale else 0.0
    if factor and np.allclose(value, factor * expected, **same):
        return f"It is {factor:.4g} times too large." if factor > 1 else f"It is {1 / factor:.4g} times too small."
    return f"The largest difference is {np.abs(value - expected).max():.3g}."
