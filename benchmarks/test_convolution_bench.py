"""The training convolution on small maps against torch's own, forward and backward, side by side in one run."""

import time

import pytest
import torch

from latentlab.models.convolution import Conv3x3
from latentlab.training.machine import autocast, reuse_memory


def step(layer: torch.nn.Module, x: torch.Tensor) -> None:
    with autocast("auto", "cpu"):
        layer(x).float().square().mean().backward()


@pytest.mark.parametrize(("side", "inputs", "outputs"), [(5, 96, 160), (5, 256, 256), (2, 160, 224)])
def test_small_map_convolution(benchmark, results, side, inputs, outputs):
    reuse_memory()
    x = torch.randn(512, inputs, side, side).contiguous(memory_format=torch.channels_last).requires_grad_()
    ours, theirs = Conv3x3(inputs, outputs), torch.nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    ours, theirs = (layer.to(memory_format=torch.channels_last) for layer in (ours, theirs))
    benchmark.pedantic(step, (ours, x), warmup_rounds=3, rounds=10)
    for _ in range(3):
        step(theirs, x)
    begun = time.perf_counter()
    for _ in range(10):
        step(theirs, x)
    peer = (time.perf_counter() - begun) / 10
    name = f"3×3 convolution {inputs}→{outputs} on 512 maps of {side}×{side}"
    results.add(name, benchmark.stats["mean"], peer, "torch.nn.Conv2d")
    benchmark.extra_info["torch ms"] = round(1000 * peer, 2)
    print(
        f"\n{side}×{side}, {inputs}→{outputs}: ours {1000 * benchmark.stats['mean']:.1f} ms, torch {1000 * peer:.1f} ms"
    )
