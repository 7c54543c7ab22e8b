"""VICReg's loss, forward and backward, beside lightly's, on 256 embeddings of 512 dimensions; one core."""

import pytest
import torch

B, D = 256, 512


def embeddings() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(B, D, generator=generator).requires_grad_() for _ in "12"]


def latentlab_loss():
    from latentlab.losses import vicreg

    return lambda z1, z2: vicreg(z1, z2)["loss"]


def lightly_loss():
    from lightly.loss import VICRegLoss

    return VICRegLoss()


@pytest.fixture(scope="module")
def seconds() -> dict[str, float]:
    return {}


@pytest.mark.benchmark(group=f"VICReg loss and gradient, {B}×{D}, one core")
@pytest.mark.parametrize("make", [latentlab_loss, lightly_loss], ids=["latentlab", "lightly"])
def test_vicreg(benchmark, seconds, make):
    loss, (z1, z2) = make(), embeddings()

    def step():
        z1.grad = z2.grad = None
        loss(z1, z2).backward()

    benchmark.pedantic(step, rounds=200, warmup_rounds=10)
    seconds[make.__name__] = benchmark.stats.stats.median


def test_equal_values_and_the_table(seconds, results):
    """Reads the times measured above: run the whole file."""
    ours, theirs = latentlab_loss()(*embeddings()), lightly_loss()(*embeddings())
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    results.add(f"VICReg loss and gradient, {B}×{D}", seconds["latentlab_loss"], seconds["lightly_loss"], "lightly")
