"""Variants of VICReg, their partners, and the shelf of shared encoders."""

from dataclasses import replace

import pytest
import torch

from latentlab import __main__ as command
from latentlab.__main__ import main
from latentlab.data import load
from latentlab.recipes import kept
from latentlab.recipes.vicreg import ablations, shelf
from latentlab.recipes.vicreg import pretraining as vicreg
from latentlab.training import Budget, CheckpointError, checksum


@pytest.fixture(scope="module")
def few():
    return load("shapes10", "train", n=64)


@pytest.fixture
def small_shelf(tmp_path, monkeypatch, few):
    """A shelf in a folder of its own, with networks that train in a moment."""
    tiny = vicreg.Settings(widths=(4, 4), projector=(8, 8), budget=Budget(epochs=1, batch=16))
    monkeypatch.setitem(ablations.PRESETS, "quick", tiny)
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path))
    monkeypatch.setattr(kept, "HERE", tmp_path)
    return tmp_path / "checkpoints" / "quick"


def test_partners_are_what_their_name_says(few):
    assert ablations.partners("same", few) is None
    same_class = ablations.partners("class", few, seed=1)
    assert same_class.shape == (64, 3)
    assert ablations.agreement(same_class, few.labels) == 1.0 and same_class.unique().numel() > 48
    strangers = ablations.partners("random", few, seed=1, k=50)
    assert 0.05 < ablations.agreement(strangers, few.labels) < 0.2
    assert torch.equal(strangers, ablations.partners("random", few, seed=1, k=50))
    line = torch.arange(64.0)[:, None]  # (n, 1): neighbours on a line are next to each other
    near = ablations.partners("neighbour", few, line, k=2)
    assert near[10].sort().values.tolist() == [9, 11]
    assert (near != torch.arange(64)[:, None]).all()


def test_partners_refuse_what_they_cannot_do(few):
    with pytest.raises(ValueError, match="give y"):
        ablations.partners("neighbour", few)
    with pytest.raises(ValueError, match="no partner 'friend'"):
        ablations.partners("friend", few)
    with pytest.raises(ValueError, match="NaN"):
        ablations.partners("neighbour", few, torch.full((64, 2), float("nan")))
    with pytest.raises(ValueError, match="no variant 'vigreg'"):
        ablations.settings("vigreg", "quick")


def test_every_image_as_its_own_partner_is_the_task_without_partners(few):
    chosen = replace(ablations.settings("image-itself", "quick"), widths=(4, 4), projector=(8, 8))
    own = torch.arange(64)[:, None].expand(64, 3)
    terms = []
    for table in (None, own, (own + 1) % 64):
        network = vicreg.build(chosen, (3, 32, 32), seed=0)
        task = vicreg.VICRegTask(network, few, None, chosen, torch.device("cpu"), table)
        terms.append(task.terms(torch.arange(32), torch.Generator().manual_seed(0)))
    assert terms[0]["invariance"] == 0 and terms[0]["loss"] == terms[1]["loss"]
    assert terms[2]["invariance"] > 0.01
    with pytest.raises(ValueError, match="each of 64 images"):
        vicreg.VICRegTask(network, few, None, chosen, torch.device("cpu"), own[:5])


def test_controls_have_one_seed_where_training_is_slow():
    for name, preset in (("ngn", "quick"), ("ngn", "cpu"), ("class-partner", "quick")):
        assert ablations.seeds(name, preset) == (0, 1, 2)
    assert ablations.seeds("class-partner", "cpu") == (0,)


def test_each_variant_changes_one_thing():
    plain = ablations.settings("vicreg", "quick")
    for term in ("variance", "covariance"):
        without = replace(plain, weights=replace(plain.weights, **{term: 0.0}))
        assert ablations.settings(f"no-{term}", "quick") == without
    assert [ablations.settings("ngn", preset).views for preset in ("cpu", "gpu")] == ["none-20", "none"]
    for name in ("ngn", "image-itself", "random-partner", "class-partner"):
        assert ablations.settings(name, "quick") == replace(plain, views="none-20")
    assert ablations.settings("augmented-neighbour", "quick") == plain


def test_variants_are_read_at_the_size_of_their_views(few):
    small = ablations.at_size(few, 20)
    assert small.images.shape == (64, 3, 20, 20) and small.images.dtype == torch.uint8
    assert ablations.at_size(few, 32) is few
    assert (small.images.float().mean((1, 2, 3)) - few.images.float().mean((1, 2, 3))).abs().max() < 2
    known, unseen, side = ablations.READ["quick"]
    sets = ablations.reading_sets(load("shapes10", "train"), load("shapes10", "test"), "quick")
    assert [s.images.shape for s in sets] == [(known, 3, side, side), (unseen, 3, side, side)]


def test_an_encoder_that_sees_the_class_reads_well_and_a_blind_one_does_not(few):
    sight = {bytes(image.numpy().tobytes()): label for image, label in zip(few.images, few.labels, strict=True)}

    class Oracle(torch.nn.Module):
        def forward(self, x):
            keys = (x * 255).round().byte().contiguous().cpu()
            seen = [int(sight[bytes(k.numpy().tobytes())]) for k in keys]
            return torch.eye(10)[seen] + 0.01 * torch.randn(len(x), 10)

    class Blind(torch.nn.Module):
        def forward(self, x):
            return torch.randn(len(x), 10)

    torch.manual_seed(0)
    seeing, blind = (ablations.read(encoder, few, few) for encoder in (Oracle(), Blind()))
    assert seeing["probe"] > 90 > 60 > blind["probe"] and seeing["near"] > 90 > 40 > blind["near"]
    assert 5 < seeing["rank"] <= 10


def test_a_missing_encoder_is_trained_once_and_says_so(small_shelf, few, capsys):
    first = shelf.take("ngn", 0, "quick", train=few)
    assert capsys.readouterr().out.count("training it now") == 2  # its neighbours come from plain VICReg
    assert 0 <= first.agreement <= 1 and len(first.curves["loss"]) == 4
    again = shelf.take("ngn", 0, "quick", train=few)
    assert capsys.readouterr().out == ""
    for one, other in zip(first.encoder.state_dict().values(), again.encoder.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert sorted(p.name for p in small_shelf.iterdir()) == ["ngn-0.safetensors", "vicreg-0.safetensors"]
    assert shelf.take("vicreg", 0, "quick", train=few).agreement is None


def test_a_damaged_encoder_is_reported_and_left_alone(small_shelf, few):
    shelf.take("vicreg", 0, "quick", train=few)
    path = small_shelf / "vicreg-0.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    with pytest.raises(CheckpointError, match="damaged"):
        shelf.take("vicreg", 0, "quick", train=few)
    assert path.read_bytes() == raw


def test_the_whole_shelf_is_filled_by_one_command(small_shelf, few, monkeypatch, capsys):
    monkeypatch.setattr(command, "load", lambda name, split, download: few)
    assert main(["shelf", "--variants", "no-variance", "no-covariance"]) == 0
    names = sorted(p.name for p in small_shelf.iterdir())
    assert names == [f"{name}-{i}.safetensors" for name in ("no-covariance", "no-variance") for i in range(3)]
    before = checksum(shelf.take("no-covariance", 0, "quick", train=few).encoder)
    (small_shelf / names[0]).write_bytes(b"broken")
    assert main(["shelf", "--variants", "no-covariance"]) == 1
    assert "damaged" in capsys.readouterr().err
    assert main(["shelf", "--variants", "no-covariance", "--again"]) == 0
    # same seed, same machine: same weights
    assert checksum(shelf.take("no-covariance", 0, "quick", train=few).encoder) == before


def test_an_encoder_made_of_other_data_or_settings_is_reported(small_shelf, few, monkeypatch):
    shelf.take("vicreg", 0, "quick", train=few)
    with pytest.raises(CheckpointError, match="other data"):
        shelf.take("vicreg", 0, "quick", train=few.subset(torch.arange(32)))
    monkeypatch.setitem(ablations.PRESETS, "quick", replace(ablations.PRESETS["quick"], test_images=3))
    with pytest.raises(CheckpointError, match="other settings"):
        shelf.take("vicreg", 0, "quick", train=few)


@pytest.mark.parametrize("name", ablations.VARIANTS)
def test_the_committed_encoders_are_whole_and_belong_to_the_present_settings(name, capsys):
    train = load("shapes10", "train")
    found = shelf.take_all(name, "quick", train=train)
    assert [len(one.curves["loss"]) for one in found] == 3 * [780]
    assert len({checksum(one.encoder) for one in found}) == 3
    assert capsys.readouterr().out == ""
