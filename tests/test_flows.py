"""Flows: the inverse undoes, log-determinants cancel and are autograd's, densities integrate to one, torch's agree."""

import math
from dataclasses import replace

import pytest
import torch

from latentlab.data import load
from latentlab.models.flows import Affine, Coupling, Flow, Planar, Unsqueeze, couplings, pixel_couplings
from latentlab.recipes.generative import flow as recipe
from latentlab.training import Budget

TINY = recipe.Settings(
    side=7, layers=2, hidden=16, budget=Budget(epochs=4, batch=32, learning_rate=5e-3, precision="float32")
)


def bent(flow, seed=0):
    """Random weights everywhere, in double precision: a fresh coupling is the identity."""
    g = torch.Generator().manual_seed(seed)
    for p in flow.parameters():
        p.data = 0.4 * torch.randn(p.shape, generator=g)
    return flow.double()


def flows():
    torch.manual_seed(0)
    planar = bent(Flow([Planar(4), Planar(4)]))
    return {
        "planar": planar,
        "couplings": bent(couplings(4, 3, 8)),
        "mixed": bent(Flow([Planar(4), *couplings(4, 2, 8).layers])),
    }


@pytest.mark.parametrize("name", ["planar", "couplings", "mixed"])
def test_the_inverse_undoes_and_log_determinants_cancel_and_are_autograds(name):
    flow, u = flows()[name], torch.randn(6, 4, generator=torch.Generator().manual_seed(1)).double()
    x, change = flow(u)
    back, other = flow.inverse(x)
    assert torch.allclose(back, u, atol=1e-9) and torch.allclose(change + other, torch.zeros(6).double(), atol=1e-9)
    for i in range(6):
        jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], u[i])
        assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(change[i].item(), abs=1e-9)


def test_convolutional_couplings_at_three_scales_are_invertible_with_autograds_determinant():
    flow, u = pixel_couplings(8, 2, 3), torch.randn(3, 64, generator=torch.Generator().manual_seed(1)).double()
    g = torch.Generator().manual_seed(0)
    for p in flow.parameters():
        p.data = p.data + 0.1 * torch.randn(p.shape, generator=g)
    x, change = flow.double()(u)
    back, other = flow.inverse(x)
    assert torch.allclose(back, u, atol=1e-9) and torch.allclose(change, -other, atol=1e-9)
    assert not torch.allclose(x, u, atol=0.1)
    assert [len(layer.shape) for layer in flow.layers if isinstance(layer, Coupling)] == [3] * 6
    jacobian = torch.autograd.functional.jacobian(lambda v: flow(v[None])[0][0], u[0])
    assert torch.linalg.slogdet(jacobian)[1].item() == pytest.approx(change[0].item(), abs=1e-8)
    with pytest.raises(ValueError, match="multiple of 4"):
        pixel_couplings(14, 2, 3)


def test_four_channels_become_patches_and_an_affine_layer_starts_at_its_data():
    pixels = torch.arange(16.0)[None]  # (n, 4·2·2): channel c at (row, column) is 4c + 2·row + column
    spread = Unsqueeze((4, 2, 2)).forward(pixels)[0].view(4, 4)
    assert spread[:2, :2].flatten().tolist() == [0, 4, 8, 12] and spread[2, 1].item() == 4 + 2
    x = 3 + 5 * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    layer = Affine(2)
    layer.start_at(x)
    u = layer.inverse(x)[0]
    assert torch.allclose(u.mean(0), torch.zeros(2), atol=1e-4) and torch.allclose(u.std(0), torch.ones(2), atol=1e-4)


def test_a_recipe_with_convolutions_trains_and_starts_at_the_data():
    settings = replace(TINY, side=8, width=4)
    sets = {split: load("digits", split, n=100) for split in ("train", "test")}
    before = recipe.nats(recipe.build(settings, (1, 8, 8), 0), sets["test"].images, settings, torch.Generator())
    run = recipe.run(settings, **sets, show=False)
    assert recipe.scores(run.network, settings, **sets)["bits per dimension, test"] * 64 * math.log(2) < before - 50
    assert recipe.sample(run.network, settings, 3, torch.Generator().manual_seed(0)).shape == (3, 1, 8, 8)
    start = recipe.run(replace(settings, budget=replace(TINY.budget, epochs=0.01)), **sets, show=False).network.layers[
        -1
    ]
    y = recipe.to_line(sets["train"].images, settings, torch.Generator().manual_seed(1))[0]
    assert torch.allclose(start.b, y.mean(0), atol=0.3) and start.b.std() > 0.5


def test_the_loss_in_training_is_the_nats_of_the_pixels():
    images, rows = load("digits").first(50).images, torch.arange(50)
    task = recipe.FlowTask(recipe.build(TINY, (1, 28, 28), 0), images, images, TINY)
    loss = task.terms(rows, torch.Generator().manual_seed(2))["loss"].item()
    assert loss == pytest.approx(recipe.nats(task.module, images, TINY, torch.Generator().manual_seed(2)), rel=1e-5)


def test_a_flow_s_density_integrates_to_one_and_fits_its_samples():
    flow = bent(couplings(2, 4, 8), seed=3)
    line = torch.linspace(-15, 15, 601).double()
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten(0, 1)
    with torch.no_grad():
        mass = flow.log_prob(grid).exp() * (line[1] - line[0]) ** 2
        x = flow(torch.randn(20_000, 2, generator=torch.Generator().manual_seed(0)).double())[0]
    assert mass.sum().item() == pytest.approx(1, abs=0.02)
    assert mass[grid[:, 0] < 0].sum().item() == pytest.approx((x[:, 0] < 0).double().mean().item(), abs=0.02)


def test_planar_maps_that_are_not_invertible_are_refused_or_constrained():
    layer = Planar(2, constrain=False)
    layer.w.data, layer.v.data = torch.tensor([1.0, 0.0]), torch.tensor([-2.0, 0.0])
    with pytest.raises(ValueError, match="not invertible"):
        layer(torch.zeros(1, 2))
    layer.constrain = True
    # w·v̂ = −1 + log(1 + e^{w·v})
    assert (layer.w @ layer.push()).item() == pytest.approx(-1 + math.log1p(math.exp(-2)), abs=1e-6)
    x, _ = layer(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)))
    assert layer.inverse(x)[0].isfinite().all()


def test_a_coupling_begins_as_the_identity_and_needs_a_mask_that_divides():
    u = torch.randn(3, 4)
    assert torch.equal(couplings(4, 3, 8)(u)[0], u)
    for mask in (torch.ones(4), torch.zeros(4)):
        with pytest.raises(ValueError, match="mask"):
            Coupling(mask)


@pytest.mark.parametrize("flow", [couplings(4, 4, 8), couplings(9, 3, 8, side=3), pixel_couplings(8, 2, 3)])
def test_what_one_coupling_keeps_the_next_moves(flow):
    runs = [[]]
    for layer in flow.layers:
        runs = [*runs[:-1], [*runs[-1], layer.mask]] if isinstance(layer, Coupling) else [*runs, []]
    for masks in filter(None, runs):
        assert len(masks) > 1 and all(torch.equal(a, 1 - b) for a, b in zip(masks, masks[1:], strict=False))


def test_torchs_own_transforms_agree():
    flow = bent(couplings(4, 1, 8))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(2)).double()
    s, t = flow.layers[0].scale_and_shift(x)
    base = torch.distributions.Normal(torch.zeros(4).double(), 1.0)
    theirs = torch.distributions.TransformedDistribution(base, torch.distributions.AffineTransform(t, s.exp()))
    assert torch.allclose(theirs.log_prob(x).sum(1), flow.log_prob(x), atol=1e-10)


def test_pixels_to_the_line_and_back_with_their_volume():
    images = load("digits").images[:4]
    settings = replace(TINY, side=28)
    y, slope = recipe.to_line(images, settings, torch.Generator().manual_seed(0))
    back = recipe.from_line(y, settings)
    assert ((back * 256).floor() == images.float()).float().mean() > 0.999
    p = (1 - settings.edge) * back + settings.edge / 2
    by_hand = (math.log((1 - settings.edge) / 256) - p.log() - (1 - p).log()).flatten(1).sum(1)
    assert torch.allclose(slope, by_hand, rtol=1e-3)


def test_training_lowers_the_bits_and_repeats_itself():
    train, test = load("digits").first(200), load("digits", "test").first(50)
    first, again = (recipe.run(TINY, train=train, test=test, show=False) for _ in range(2))
    assert first.history.batches == again.history.batches
    fresh = recipe.scores(recipe.build(TINY, (1, 28, 28), 0), TINY, train, test)
    found = recipe.scores(first.network, TINY, train, test)
    assert found["bits per dimension, test"] < fresh["bits per dimension, test"] - 0.3
    images = recipe.sample(first.network, TINY, 3, torch.Generator().manual_seed(0))
    assert images.shape == (3, 1, 7, 7) and 0 <= images.min() <= images.max() <= 1
    with pytest.raises(ValueError, match="3 channels"):
        recipe.build(TINY, (3, 7, 7), 0)
