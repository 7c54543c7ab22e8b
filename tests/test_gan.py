"""GAN: costs against their formulas, what a discriminator knows, two players killed and resumed, samples measured."""

import math
import random

import pytest
import torch

from killing import kill
from latentlab.data import load, to_float
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
    for wrong in (0.0, 1.0):
        with pytest.raises(ValueError, match="strictly between"):
            density_ratio(logit, wrong)


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


class Sign(torch.nn.Module):
    """A discriminator that trusts what is positive, and keeps what it was shown."""

    def forward(self, x):
        self.shown = [*getattr(self, "shown", []), x]
        return x.mean(1)


def test_both_kinds_of_samples_are_blurred_and_judged_by_their_sign():
    network = GAN(Generator((3,), 4, 8), Sign())
    torch.nn.init.zeros_(network.generator.net[-1].weight)
    torch.nn.init.constant_(network.generator.net[-1].bias, -1.0)
    task, g = gan.DuelTask(network, torch.ones(8, 3), noise=0.01), torch.Generator()
    found = task.judge(torch.arange(8), g.manual_seed(0))
    real, drawn = network.discriminator.shown
    assert found["accuracy"] == 1.0, "every real one and every drawn one is told"
    for shown, centre in ((real, 1.0), (drawn, -1.0)):
        assert 0.003 < (shown - centre).std() < 0.03
    torch.manual_seed(5)
    again = task.judge(torch.arange(8), g.manual_seed(0))
    assert again["loss"] == found["loss"], "all chance comes from the generator that is given"
    assert [player.name for player in task.players] == ["discriminator", "generator"]
    assert task.forge(torch.arange(8), g)["loss"] > 1, "the generator pays for what is told"


def test_the_recipe_uses_what_is_asked_for():
    settings = gan.Settings(side=7, hidden=16, dropout=0.25, budget=Budget(epochs=1, batch=32, precision="float32"))
    one, same, other = (gan.build(settings, (1, 8, 8), seed) for seed in (1, 1, 2))
    assert checksum(one) == checksum(same) != checksum(other)
    assert [m.p for m in one.modules() if isinstance(m, torch.nn.Dropout)] == [0.25, 0.25]
    board = torch.tensor([[0, 255], [255, 0]], dtype=torch.uint8).repeat(7, 7)[None, None]  # (1, 1, 14, 14)
    assert torch.allclose(to_float(board, 7), torch.full((1, 1, 7, 7), 0.5))
    train, test = load("digits").first(96), load("digits", "test").first(40)
    run = {cost: gan.run(gan.Settings(**{**vars(settings), "cost": cost}), train=train, test=test, show=False)
           for cost in gan.COSTS}  # fmt: skip
    last = {cost: one.history.batches["generator loss"][-1] for cost, one in run.items()}
    assert last["saturating"] < 0 < last["non-saturating"]
    again = gan.run(gan.Settings(**vars(settings)), train=train, test=test, show=False)
    assert checksum(again.network) == checksum(run["non-saturating"].network), "same seed, same weights, dropout too"
    clear = gan.run(gan.Settings(**{**vars(settings), "real_noise": 0.0}), train=train, test=test, show=False)
    assert clear.history.batches["discriminator loss"] != run["non-saturating"].history.batches["discriminator loss"]


def points_run(**options):
    g = torch.Generator().manual_seed(0)
    centres = ring()
    real = centres[torch.randint(8, (1024,), generator=g)] + 0.1 * torch.randn(1024, 2, generator=g)
    torch.manual_seed(0)
    network = GAN(Generator((2,), 4, 32), Discriminator((2,), 32, dropout=0.02))
    budget = Budget(epochs=120, batch=128, learning_rate=3e-3, betas=(0.5, 0.9), weight_decay=0.0, precision="float32",
                    checkpoint_every=options.pop("every", 1e9))  # fmt: skip
    fit(gan.DuelTask(network, real, noise=0.05), budget, show=False, **options)
    return network, real


def kept_points(folder, every=0.02):
    return points_run(folder=folder, resume=(folder / "checkpoint.pt").exists(), every=every)[0]


def test_two_players_find_the_ring_and_a_killed_run_resumes_to_the_same_weights(tmp_path):
    torch.set_num_threads(1)
    whole, real = points_run()
    points = whole.generator(torch.randn(1000, 4, generator=torch.Generator().manual_seed(1))).detach()
    assert frechet_distance(real, points) < 0.5
    kill(kept_points, tmp_path, random.Random(0))
    assert checksum(kept_points(tmp_path, every=1e9)) == checksum(whole)


def test_the_recipe_draws_images_and_refuses_unknown_costs(monkeypatch):
    train, test = load("digits").first(200), load("digits", "test").first(60)
    settings = gan.Settings(side=7, hidden=16, budget=Budget(epochs=3, batch=32, precision="float32"))
    run = gan.run(settings, train=train, test=test, show=False)
    assert {"discriminator loss", "discriminator accuracy", "generator loss"} < set(run.history.batches)
    images = gan.sample(run.network, settings, 5, torch.Generator().manual_seed(0))
    assert images.shape == (5, 1, 7, 7) and 0 <= images.min() <= images.max() <= 1
    found = gan.scores(run.network, settings, train, test)
    assert all(math.isfinite(v) for v in found.values()) and found["Fréchet distance, samples"] > 0
    assert found["Fréchet distance, training images"] > 0.01, "the test images are others"
    drawn, whole = [], gan.sample
    monkeypatch.setattr(
        gan, "sample", lambda network, settings, n, g: drawn.append(n) or whole(network, settings, n, g)
    )
    gan.scores(run.network, settings, train, test)
    assert drawn == [len(train)]
    with pytest.raises(ValueError, match="no generator cost 'wasserstein'"):
        gan.Settings(cost="wasserstein")
