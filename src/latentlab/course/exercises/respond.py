"""A function's response to one question, as arrays. Imports nothing of latentlab: a grader's sandbox gets a copy."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch


def respond(function: Callable[..., Any], inputs: Sequence[Any], gradient: bool = False) -> list[np.ndarray]:
    """What `function(*inputs)` gives, as a list of arrays; with `gradient` also its slope at every float tensor.

    The function gets copies, so that it may write into them. Without dependence on an input the slope is 0.
    Raises TypeError for anything but numbers, texts, tensors, arrays and tuples, lists or dicts of these.
    """
    copies = [value.clone() if isinstance(value, torch.Tensor) else value for value in inputs]
    leaves = [c for c in copies if isinstance(c, torch.Tensor) and c.is_floating_point()] if gradient else []
    for leaf in leaves:
        leaf.requires_grad_()
    outputs = flat(function(*copies))
    values = [as_array(output) for output in outputs]
    total = sum(o.double().sum() for o in outputs if isinstance(o, torch.Tensor) and o.requires_grad)
    slopes = [None] * len(leaves)
    if leaves and isinstance(total, torch.Tensor):
        slopes = torch.autograd.grad(total, leaves, allow_unused=True)
    return values + [as_array(torch.zeros_like(x) if s is None else s) for x, s in zip(leaves, slopes, strict=True)]


def flat(value: Any) -> list[Any]:
    """Tuples, lists and dicts as one list of their values."""
    if isinstance(value, dict):
        return [part for key in sorted(value) for part in flat(value[key])]
    if isinstance(value, tuple | list) and not all(isinstance(part, int | float) for part in value):
        return [part for inner in value for part in flat(inner)]
    return [value]


def as_array(value: Any) -> np.ndarray:
    """A number, truth value, text, array or tensor as a plain numpy array (float64, complex128 or text)."""
    if value is None or value is Ellipsis:
        raise TypeError("The function returns nothing. Does it end with `return …`?")
    array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    if array.dtype.kind in "cU":
        return array
    raise TypeError(f"The function returns a {type(value).__name__}; expected numbers, tensors or text.")
