"""Contrastive loss at large batches, forward and backward: chunked against plain, and against two other libraries."""

import importlib
import subprocess
import sys

import pytest

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


@pytest.mark.parametrize("b", [1024, 4096])
def test_against_lightly(b, results):
    import time

    import torch
    import torch.nn.functional as F

    from latentlab.losses import nt_xent

    peer = importlib.import_module("lightly.loss").NTXentLoss(temperature=TEMPERATURE)
    z1, z2 = (F.normalize(torch.randn(b, D, generator=torch.Generator().manual_seed(s)), dim=1) for s in (0, 1))
    nt_xent(z1[:4], z2[:4], TEMPERATURE, 2)  # torch loads what recomputes, once
    rows = []
    ours = lambda a, c: nt_xent(F.normalize(a, dim=1), F.normalize(c, dim=1), TEMPERATURE, CHUNK)  # noqa: E731 - as the peer does
    for loss in (ours, peer):
        a, c = z1.clone().requires_grad_(), z2.clone().requires_grad_()
        start = time.perf_counter()
        value = loss(a, c)
        value.backward()
        rows.append((time.perf_counter() - start, value.detach(), a.grad))
    assert torch.isclose(rows[0][1], rows[1][1], atol=1e-6) and torch.allclose(rows[0][2], rows[1][2], atol=1e-6)
    results.add(f"NT-Xent, b = {b}, chunked, forward and backward", rows[0][0], rows[1][0], "lightly")
