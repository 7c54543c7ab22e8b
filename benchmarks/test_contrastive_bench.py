"""Contrastive loss at large batches, forward and backward: chunked against plain, and against two other libraries."""

import subprocess
import sys
import time

import pytest
import torch
import torch.nn.functional as F

from latentlab.losses import nt_xent

D, TEMPERATURE, CHUNK = 128, 0.1, 512
RUN = """
import resource, sys, time, torch
import torch.nn.functional as F
from latentlab.losses import {name}
b, chunk = {b}, {chunk}
torch.manual_seed(0)
z1, z2 = (F.normalize(torch.randn(b, {d}), dim=1).requires_grad_() for _ in range(2))
{name}(z1[:4].detach(), z2[:4].detach(), {t}, 2)  # torch loads what recomputes: 230 MiB and seconds, once
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
loss = {name}(z1, z2, {t}, chunk)
loss.backward()
seconds = time.perf_counter() - start
print(seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024, float(loss))
"""


def measured(b: int, chunk: int | None) -> tuple[float, float, float]:
    """Seconds, MiB above the inputs, loss: in a process of its own, so that the peak is this call's."""
    code = RUN.format(name="info_nce", b=b, chunk=chunk, d=D, t=TEMPERATURE)
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return tuple(map(float, found.split()))


@pytest.mark.parametrize("b", [1024, 4096, 16384, 32768, 65536])
def test_memory_and_time(b, results):
    seconds, mib, loss = measured(b, CHUNK)
    print(f"b = {b}: chunked {seconds:.2f} s, {mib:.0f} MiB above the inputs")
    assert mib < max(300, 300 * b / 32768)
    if b <= 16384:  # the plain tables of 32,768 rows take 4.3 GB each
        plain, much, same = measured(b, None)
        assert abs(loss - same) < 1e-6 * abs(same) + 1e-6
        results.add(f"InfoNCE, b = {b}, forward and backward", seconds, plain, "plain table of logits")
        results.add(
            f"InfoNCE, b = {b}, memory above the inputs", max(mib, 1.0), max(much, 1.0), "plain table of logits", "MiB"
        )


def forward_and_back(loss, views):
    """Seconds, value and the first view's gradient."""
    z1, z2 = (z.clone().requires_grad_() for z in views)
    start = time.perf_counter()
    value = loss(z1, z2)
    value.backward()
    return time.perf_counter() - start, value.detach(), z1.grad


def ours(z1, z2):
    """The peers normalise what they are given: so that the gradients are of the same function, so do we."""
    return nt_xent(F.normalize(z1, dim=1), F.normalize(z2, dim=1), TEMPERATURE, min(CHUNK, len(z1) // 2))


def unit_views(b):
    views = [F.normalize(torch.randn(b, D, generator=torch.Generator().manual_seed(s)), dim=1) for s in (0, 1)]
    ours(*(z[:4] for z in views))  # torch loads what recomputes, once
    return views  # (b, d) each


@pytest.mark.parametrize("b", [1024, 4096])
def test_against_lightly(b, results):
    from lightly.loss import NTXentLoss

    rows = [forward_and_back(loss, unit_views(b)) for loss in (ours, NTXentLoss(temperature=TEMPERATURE))]
    assert torch.isclose(rows[0][1], rows[1][1], atol=1e-6) and torch.allclose(rows[0][2], rows[1][2], atol=1e-6)
    results.add(f"NT-Xent, b = {b}, chunked, forward and backward", rows[0][0], rows[1][0], "lightly")


def test_against_pytorch_metric_learning(results):
    """Its table of all positives by all negatives has b³ entries, hence the small batch."""
    from pytorch_metric_learning.losses import NTXentLoss

    b, loss = 128, NTXentLoss(TEMPERATURE)
    peer = lambda z1, z2: loss(torch.cat([z1, z2]), torch.arange(b).repeat(2))  # noqa: E731
    rows = [forward_and_back(one, unit_views(b)) for one in (ours, peer)]
    torch.testing.assert_close(rows[0][1], rows[1][1], rtol=0, atol=1e-6)
    torch.testing.assert_close(rows[0][2], rows[1][2], rtol=0, atol=1e-6)
    results.add(f"NT-Xent, b = {b}, chunked, forward and backward", rows[0][0], rows[1][0], "pytorch-metric-learning")
