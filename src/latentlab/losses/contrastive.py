"""Contrastive losses of a batch of positive pairs: InfoNCE in one direction, and SimCLR's NT-Xent over all 2b views."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

UNIT = 1e-2  # how far a row's length may be from 1: half precision rounds it so much


def info_nce(z1: Tensor, z2: Tensor, temperature: float, chunk: int | None = None) -> Tensor:
    """Mean −log of the softmax that picks z2[i] among all z2, asked by z1[i]; rows of length 1 (b, d) each → scalar.

    The b − 1 other rows of z2 are the negatives. `chunk`: rows of logits in memory at once, forward and back (None: b).
    Raises ValueError for unequal shapes, a batch of one, NaN, rows not of length 1, a temperature or chunk ≤ 0.
    Source: van den Oord et al. 2018, eq. 4; Chen et al. 2020, eq. 1, with negatives of the other view only.
    """
    _check(z1, z2, temperature, chunk)
    target = torch.arange(len(z1), device=z1.device)  # (b,)
    return _cross_entropy(z1, z2, target, temperature, chunk, own=True)


def nt_xent(z1: Tensor, z2: Tensor, temperature: float, chunk: int | None = None) -> Tensor:
    """The same over all 2b views: each asks for its partner among the 2b − 1 others; arguments as `info_nce`.

    Source: Chen et al. 2020, eq. 1 and algorithm 1.
    """
    _check(z1, z2, temperature, chunk)
    z, b = torch.cat([z1, z2]), len(z1)  # (2b, d)
    target = (torch.arange(2 * b, device=z.device) + b) % (2 * b)  # (2b,): the partner
    return _cross_entropy(z, z, target, temperature, chunk, own=False)


def _summed(queries: Tensor, keys: Tensor, target: Tensor, start: int, temperature: float, own: bool) -> Tensor:
    """The sum of the cross-entropies of rows start …; without `own` a view is not compared with itself."""
    # s_ij = z_i · z_j / τ
    logits = queries @ keys.T / temperature  # (rows, n)
    if not own:
        logits.diagonal(start).fill_(-torch.inf)
    # n L = −Σ_i log(exp s_it / Σ_j exp s_ij), t the target of i
    return F.cross_entropy(logits, target, reduction="sum")


def _cross_entropy(
    queries: Tensor, keys: Tensor, target: Tensor, temperature: float, chunk: int | None, own: bool
) -> Tensor:
    # at least float32: with τ = 0.07 the rounding of half precision would show in the logits
    queries, keys = (z if z.dtype == torch.float64 else z.float() for z in (queries, keys))  # (n, d) each
    with torch.autocast(queries.device.type, enabled=False):
        if chunk is None:
            return _summed(queries, keys, target, 0, temperature, own) / len(queries)
        total = queries.new_zeros(())
        for start in range(0, len(queries), chunk):  # logits are not kept: the way back computes them anew
            part = slice(start, start + chunk)
            given = queries[part], keys, target[part], start, temperature, own
            total = total + checkpoint(_summed, *given, use_reentrant=False, preserve_rng_state=False)
        return total / len(queries)


def _check(z1: Tensor, z2: Tensor, temperature: float, chunk: int | None) -> None:
    if z1.ndim != 2 or z1.shape != z2.shape:
        raise ValueError(f"Two views of one batch have one shape (b, d); got {tuple(z1.shape)} and {tuple(z2.shape)}.")
    if len(z1) < 2:
        raise ValueError(f"A batch of {len(z1)} has no negatives: use at least two pairs.")
    if not temperature > 0:
        raise ValueError(f"temperature = {temperature}: it divides the logits and must be positive, say 0.1.")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk = {chunk} rows at once: at least 1, or None for all.")
    lengths = torch.linalg.vector_norm(torch.cat([z1, z2]).detach().float(), dim=1)  # (2b,)
    if not torch.isfinite(lengths).all():
        raise ValueError("An embedding is NaN or infinite: did training diverge, or is a zero row normalised?")
    if (lengths - 1).abs().max() > UNIT:
        between = f"{float(lengths.min()):.3g} to {float(lengths.max()):.3g}"
        raise ValueError(f"Rows must have length 1, here {between}. Use torch.nn.functional.normalize(z, dim=1) first.")
