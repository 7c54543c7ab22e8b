"""GAN: costs against their formulas, what a discriminator knows, two players killed and resumed, samples measured."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from latentlab.data import load
from latentlab.evaluation import frechet_distance, modes_reached, ring
from latentlab.losses import density_ratio, discriminator_cost, jensen_shannon, non_saturating_cost, saturating_cost
from latentlab.models.gan import GAN, Discriminator, Generator
from latentlab.recipes.generative import gan
from latentlab.training import Budget, checksum, fit

A, B = 3 * torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).double()


def test_costs_are_their_formulas_and_finite_for_sure_discriminators():
    d, e = A.sigmoid(), B.sigmoid()
    assert torch.allclose(discriminator_cost(A, B), -d.log().mean() - (1 - e).log().mean())
    assert torch.allclose(saturating_cost(B), (1 - e).log().mean()) and torch.allclose(
        non_saturating_cost(B), -e.log().mean()
    )
    assert torch.allclose(jensen_shannon(A, B), 0.5 * ((2 * d).log().mean() + (2 * (1 - e)).log().mean()))
    sure = torch.tensor([1e4, -1e4])
    for cost in (saturating_cost, non_saturating_cost, lambda a: discriminator_cost(a, a)):
        assert cost(sure).isfinite()


def test_the_density_ratio_counts_the_shares():
    f0, f1, share = 0.3, 0.6, 0.25
    logit = torch.tensor([share * f1 / ((1 - share) * f0)]).log()
    assert density_ratio(logit, share).item() == pytest.approx(2)
    with pytest.raises(ValueError, match="strictly between"):
        density_ratio(logit, 1.0)


def test_samples_are_measured_against_known_answers():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 3, generator=g)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(x, x + torch.tensor([2.0, 0, 0])) == pytest.approx(4, rel=1e-3)
    assert frechet_distance(x, 3 * x) == pytest.approx(3 * 4, rel=0.1)  # (3 − 1)² in each of three directions
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(x[:1], x)
    centres = ring(4)
    points = torch.cat([centres[:2].repeat(50, 1), torch.zeros(100, 2)])
    assert modes_reached(points, centres, 0.1) == (2, 0.5)


def points_run(**options):
    g = torch.Generator().manual_seed(0)
    centres = ring()
    real = centres[torch.randint(8, (1024,), generator=g)] + 0.1 * torch.randn(1024, 2, generator=g)
    torch.manual_seed(0)
    network = GAN(Generator((2,), 4, 32), Discriminator((2,), 32))
    budget = Budget(epochs=120, batch=128, learning_rate=3e-3, betas=(0.5, 0.9), weight_decay=0.0, precision="float32",
                    checkpoint_every=options.pop("every", 1e9))  # fmt: skip
    fit(gan.DuelTask(network, real, noise=0.05), budget, show=False, **options)
    return network, real


TRAIN = """
import sys; sys.path.insert(0, {tests!r})
import torch; torch.set_num_threads(1)
from pathlib import Path
from test_gan import points_run
from latentlab.training import checksum
folder = Path({folder!r})
print(checksum(points_run(folder=folder, resume=(folder / "checkpoint.pt").exists(), every=0.02)[0]))
"""


def test_two_players_find_the_ring_and_a_killed_run_resumes_to_the_same_weights(tmp_path):
    torch.set_num_threads(1)
    whole, real = points_run()
    points = whole.generator(torch.randn(1000, 4, generator=torch.Generator().manual_seed(1))).detach()
    assert frechet_distance(real, points) < 0.5
    code = [sys.executable, "-c", TRAIN.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "run"))]
    child, begun = subprocess.Popen(code, stdout=subprocess.DEVNULL), time.perf_counter()
    while not (tmp_path / "run" / "checkpoint.pt").exists():
        assert child.poll() is None and time.perf_counter() - begun < 60
        time.sleep(0.001)
    time.sleep(0.2)
    assert child.poll() is None, "the run ended before it could be killed"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    resumed = subprocess.run(code, capture_output=True, text=True, check=True).stdout.strip()
    assert resumed == checksum(whole)


def test_the_recipe_draws_images_and_refuses_unknown_costs():
    train, test = load("digits").first(200), load("digits", "test").first(60)
    settings = gan.Settings(side=7, hidden=16, budget=Budget(epochs=3, batch=32, precision="float32"))
    run = gan.run(settings, train=train, test=test, show=False)
    assert {"discriminator loss", "discriminator accuracy", "generator loss"} < set(run.history.batches)
    images = gan.sample(run.network, settings, 5, torch.Generator().manual_seed(0))
    assert images.shape == (5, 1, 7, 7) and 0 <= images.min() <= images.max() <= 1
    found = gan.scores(run.network, settings, train, test)
    assert all(math.isfinite(v) for v in found.values()) and found["Fréchet distance, samples"] > 0
    with pytest.raises(ValueError, match="no generator cost 'wasserstein'"):
        gan.Settings(cost="wasserstein")
