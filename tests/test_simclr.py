"""Notebook 07's recipes and views: short runs, resume, what views leave alone, measures with known answers."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from latentlab.augment.single import OneFigure
from latentlab.data import load
from latentlab.recipes.contrastive import factors, shapes_autoencoder, simclr
from latentlab.training import Budget, CheckpointError

TRAIN, TEST = load("coloured_shapes").first(240), load("coloured_shapes", "test").first(60)
BUDGET = Budget(epochs=2, batch=60, learning_rate=3e-3, precision="float32")
RUNS = {
    "simclr": (simclr, simclr.Settings(side=16, widths=(8, 16), dim=8, budget=BUDGET)),
    "flat": (
        simclr,
        simclr.Settings(side=16, widths=(8, 16), dim=32, pooled=False, head=8, loss="nt_xent", budget=BUDGET),
    ),
    "autoencoder": (shapes_autoencoder, shapes_autoencoder.Settings(side=16, dim=8, width=4, budget=BUDGET)),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_short_run_learns_repeats_and_goes_on_where_it_stood(name, tmp_path):
    recipe, settings = RUNS[name]
    run = recipe.run(settings, train=TRAIN, test=TEST, folder=tmp_path, show=False)
    losses = run.history.batches["loss"]
    assert len(losses) == 8 and sum(losses[4:]) < sum(losses[:4])
    again = recipe.run(settings, train=TRAIN, test=TEST, show=False)
    back = recipe.run(settings, train=TRAIN, test=TEST, folder=tmp_path, resume=True, show=False)
    for other in (again, back):
        assert all(torch.equal(a, b) for a, b in zip(run.network.parameters(), other.network.parameters(), strict=True))
    if name == "autoencoder":
        assert run.network.encoder[0].out_channels == settings.width
    assert all(0 <= value <= 100 for value in recipe.scores(run.network, settings, TRAIN, TEST).values())


def test_held_out_terms_are_of_the_first_batch_of_held_out_images():
    settings = RUNS["simclr"][1]
    network = simclr.build(settings, (3, 64, 64), 0).eval()
    task = simclr.SimCLRTask(network, TRAIN.images, TEST.images, settings)
    draw = lambda: torch.Generator().manual_seed(0)  # noqa: E731
    assert task.test_terms(draw()) == task.of(TEST.images[:60], draw()) != task.terms(torch.arange(60), draw())
    assert simclr.SimCLRTask(network, TRAIN.images, TEST.images[:59], settings).test_terms(draw()) == {}


def test_views_change_what_they_say_and_nothing_else():
    x = TRAIN.images[:50]
    plain = F.adaptive_avg_pool2d(x.float() / 255, 32)
    moved, painted = (OneFigure(32, **{what: True})(x, torch.Generator().manual_seed(0)) for what in ("move", "paint"))
    back = plain[:, :, :1, :1]
    figure = (plain - back).abs().amax(1) > 0.02  # (50, 32, 32)
    assert torch.equal(((painted - back).abs().amax(1) > 0.02), figure)
    assert (painted - plain).abs().flatten(1).amax(1).min() > 0.02
    for a, b in zip(moved, plain, strict=True):  # the same values, elsewhere
        assert torch.allclose(a.flatten(1).sort(1).values, b.flatten(1).sort(1).values)
    assert (moved != plain).flatten(1).any(1).float().mean() > 0.9


def test_moved_figures_reach_every_place_evenly():
    x, g = TRAIN.images[:1].expand(3000, -1, -1, -1), torch.Generator().manual_seed(1)
    views = OneFigure(32, move=True)(x, g)
    seen = (views - views[:, :, :1, :1]).abs().amax(1) > 0.02  # (3000, 32, 32)
    top = seen.any(2).byte().argmax(1)  # (3000,)
    count = top.bincount()
    assert count.min() > 0.5 * count.float().mean() and len(count) == 33 - int(seen[0].any(1).sum())


def test_measures_know_what_a_representation_keeps():
    train = load("coloured_shapes")
    kept = {name: F.one_hot(train.factors[name]).float() for name in factors.FACTORS}
    for name, y in kept.items():
        found = factors.sensitivity(y, train)
        count = int(train.factors[name].max()) + 1  # random pairs share the value once in so many, changed ones never
        assert found.pop(name) == pytest.approx(count / (count - 1), abs=0.04) and max(found.values()) == 0
        assert factors.agreement(y, train, y, train)[name] == 1
    noise = torch.randn(len(train), 8, generator=torch.Generator().manual_seed(0))  # its neighbours are drawn blindly
    assert factors.agreement(noise, train, noise, train)["shape"] == pytest.approx(1 / 6, abs=0.03)
    blind = factors.chance(train, TEST)
    assert blind["shape"] == pytest.approx(1 / 6, abs=0.01) and blind["colour"] == pytest.approx(1 / 8, abs=0.01)


def test_bad_input_says_what_is_wrong():
    with pytest.raises(ValueError, match="cannot be halved"):
        simclr.build(simclr.Settings(side=20), (3, 64, 64), 0)
    with pytest.raises(ValueError, match="views is one of"):
        simclr.build(simclr.Settings(views="upside-down"), (3, 64, 64), 0)
    with pytest.raises(ValueError, match="positive"):
        simclr.run(replace(RUNS["simclr"][1], temperature=0.0), train=TRAIN, show=False)
    with pytest.raises(TypeError, match="uint8"):
        OneFigure(32)(torch.rand(2, 3, 64, 64), torch.Generator())
    with pytest.raises(ValueError, match="≥ 32"):
        OneFigure(32)(TRAIN.images[:2, :, :20, :20], torch.Generator())


def test_an_encoder_on_the_shelf_is_made_once_and_never_replaced_in_silence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(simclr, "path_of", lambda name, seed, preset: tmp_path / f"{name}-{seed}.safetensors")
    settings = RUNS["simclr"][1]
    first = simclr.take(settings, "T", 0, "quick", train=TRAIN)
    assert "training it now" in capsys.readouterr().out
    second = simclr.take(settings, "T", 0, "quick", train=TRAIN)
    assert capsys.readouterr().out == ""
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    with pytest.raises(CheckpointError, match="other settings"):
        simclr.take(replace(settings, temperature=0.2), "T", 0, "quick", train=TRAIN)
