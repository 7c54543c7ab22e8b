"""Contrastive losses over a batch of positive pairs: InfoNCE in one direction, and SimCLR's NT-Xent over all 2b views."""

import torch
import torch.nn.functional as F
from torch import Tensor

UNIT = 1e-2  # how far a row's length may be from 1: half precision rounds it so much


def info_nce(z1: Tensor, z2: Tensor, temperature: float, chunk: int | None = None) -> Tensor:
    """Mean −log of the softmax that picks z2[i] among all z2, asked by z1[i]; rows of length 1 (b, d), (b, d) → scalar.

    The b − 1 other rows of z2 are the negatives. `chunk`: rows of logits in memory at once (None: all b), forward and backward.
    Raises ValueError for unequal shapes, a batch of one, NaN, rows that are not of length 1, a temperature or chunk ≤ 0.
    Source: van den Oord et al. 2018, eq. 4; Chen et al. 2020, eq. 1, with negatives of the other view only.
    """
    _check(z1, z2, temperature, chunk)
    target = torch.arange(len(z1), device=z1.device)  # (b,)
    return _cross_entropy(_exact(z1), _exact(z2), target, temperature, chunk, own=True)


def nt_xent(z1: Tensor, z2: Tensor, temperature: float, chunk: int | None = None) -> Tensor:
    """The same over all 2b views: each asks for its partner among the 2b − 1 others; rows of length 1 (b, d), (b, d) → scalar.

    Arguments and errors as `info_nce`. Source: Chen et al. 2020, eq. 1 and algorithm 1.
    """
    _check(z1, z2, temperature, chunk)
    z, b = _exact(torch.cat([z1, z2])), len(z1)  # (2b, d)
    target = (torch.arange(2 * b, device=z.device) + b) % (2 * b)  # (2b,): the partner
    return _cross_entropy(z, z, target, temperature, chunk, own=False)


def _exact(z: Tensor) -> Tensor:
    """At least float32: with τ = 0.07 the rounding of half precision would show in the logits."""
    return z if z.dtype == torch.float64 else z.float()


def _logits(queries: Tensor, keys: Tensor, start: int, temperature: float, own: bool) -> Tensor:
    """Rows start … of z zᵀ / τ, (rows, n); without `own` a view is not compared with itself."""
    # s_ij = z_i · z_j / τ
    logits = queries @ keys.T / temperature  # (rows, n)
    if not own:
        logits.diagonal(start).fill_(-torch.inf)
    return logits


def _cross_entropy(queries: Tensor, keys: Tensor, target: Tensor, temperature: float, chunk: int | None, own: bool) -> Tensor:
    with torch.autocast(queries.device.type, enabled=False):
        if chunk is None:
            # L = −(1/n) Σ_i log(exp s_it / Σ_j exp s_ij), t the target of i
            return F.cross_entropy(_logits(queries, keys, 0, temperature, own), target)
        return _Chunked.apply(queries, keys, target, temperature, chunk, own)


class _Chunked(torch.autograd.Function):
    """The same number and slopes with `chunk` rows of logits in memory at once: they are computed anew on the way back."""

    @staticmethod
    def forward(ctx, queries, keys, target, temperature, chunk, own):
        sums, total = [], queries.new_zeros(())
        for start in range(0, len(queries), chunk):
            logits = _logits(queries[start : start + chunk], keys, start, temperature, own)  # (chunk, n)
            sums.append(logits.logsumexp(1))  # (chunk,)
            total += (sums[-1] - logits.gather(1, target[start : start + chunk, None])[:, 0]).sum()
        ctx.save_for_backward(queries, keys, target, torch.cat(sums))
        ctx.how = temperature, chunk, own
        return total / len(queries)

    @staticmethod
    def backward(ctx, slope):
        queries, keys, target, sums = ctx.saved_tensors
        temperature, chunk, own = ctx.how
        to_queries, to_keys = torch.empty_like(queries), torch.zeros_like(keys)
        for start in range(0, len(queries), chunk):
            part = slice(start, start + chunk)
            logits = _logits(queries[part], keys, start, temperature, own)  # (chunk, n)
            # ∂L/∂s_ij = (softmax(s_i)_j − [j = t]) / n
            weights = logits.sub_(sums[part, None]).exp_()  # (chunk, n)
            weights.scatter_add_(1, target[part, None], -torch.ones_like(weights[:, :1]))
            weights *= slope / (temperature * len(queries))
            to_queries[part] = weights @ keys
            to_keys.addmm_(weights.T, queries[part])
        return to_queries, to_keys, None, None, None, None


def _check(z1: Tensor, z2: Tensor, temperature: float, chunk: int | None) -> None:
    if z1.ndim != 2 or z1.shape != z2.shape:
        raise ValueError(f"Two views of one batch have one shape (b, d); got {tuple(z1.shape)} and {tuple(z2.shape)}.")
    if len(z1) < 2:
        raise ValueError(f"A batch of {len(z1)} has no negatives: use at least two pairs.")
    if not temperature > 0:
        raise ValueError(f"temperature = {temperature}: it divides the logits and must be positive, 0.05 to 0.5 as a rule.")
    if chunk is not None and chunk < 1:
        raise ValueError(f"chunk = {chunk} rows at once: at least 1, or None for all.")
    lengths = torch.linalg.vector_norm(torch.cat([z1, z2]).detach().float(), dim=1)  # (2b,)
    if not torch.isfinite(lengths).all():
        raise ValueError("An embedding is NaN or infinite: did training diverge, or was a zero row divided by its length?")
    if (lengths - 1).abs().max() > UNIT:
        raise ValueError(
            f"Rows must have length 1, here they have {float(lengths.min()):.3g} to {float(lengths.max()):.3g}. "
            "Use torch.nn.functional.normalize(z, dim=1) first."
        )
