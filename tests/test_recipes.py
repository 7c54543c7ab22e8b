"""From the command line to a folder on disk: train, resume, evaluate, on images of one's own."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from latentlab.__main__ import main
from latentlab.data import load
from latentlab.models.convnet import whitening_kernels
from latentlab.recipes import contract as runs
from latentlab.recipes.represent import pixels, represent
from latentlab.recipes.vicreg import pretraining as vicreg
from latentlab.recipes.vicreg.timing import matrix_rate, time_step
from latentlab.training import Budget, checksum


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Two classes of 16×16 pictures that differ in brightness, in ImageFolder layout."""
    folder, noise = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 10)):
        for name, level in (("dark", 40), ("light", 200)):
            (folder / split / name).mkdir(parents=True)
            for i in range(count):
                array = (level + noise.integers(-30, 30, (16, 16, 3))).astype(np.uint8)
                Image.fromarray(array).save(folder / split / name / f"{i}.png")
    return folder


def command(*words: object) -> int:
    return main([str(word) for word in words])


def test_train_evaluate_and_refuse_to_overwrite(pictures, tmp_path, capsys):
    run = tmp_path / "run"
    train = ["train", "vicreg", "--data", pictures, "--set", "views=none", "--set", "budget.batch=16", "--epochs", 2]
    train += ["--device", "cpu", "--out", run]
    assert command(*train) == 0
    assert "6 steps" in capsys.readouterr().out
    assert {p.name for p in run.iterdir()} == {"settings.json", "checkpoint.pt", "weights.safetensors"}
    assert command(*train) == 1
    assert "already holds a run" in capsys.readouterr().err
    assert command("evaluate", run, "--device", "cpu") == 0
    scores = json.loads((run / "scores.json").read_text())
    assert {name.split(",")[0] for name in scores} == {"raw pixels", "untrained", "trained"}
    assert scores["raw pixels, probe"] == 100  # brightness is the class
    assert command("resume", run, "--device", "cpu") == 0  # a finished run resumes to itself
    assert "6 steps" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--data", "no/such/folder"), "no/such/folder"),
        (("--set", "views=foo"), "views is one of"),
        (("--set", "looks=1"), "at least 2"),
        (("--epochs", 0), "must be positive"),
    ],
)
def test_what_cannot_run_leaves_no_folder_that_blocks_the_next_try(given, said, tmp_path, capsys):
    assert command("train", "vicreg", "--out", tmp_path / "run", *given) == 1
    assert said in capsys.readouterr().err and not (tmp_path / "run").exists()


def test_a_run_without_a_checkpoint_starts_at_its_beginning(pictures, tmp_path, capsys):
    """Killed before the first checkpoint: only settings.json is there."""
    settings = replace(vicreg.PRESETS["quick"], data=str(pictures), views="none")
    settings = replace(settings, budget=replace(settings.budget, epochs=1, batch=16))
    runs.begin(tmp_path / "run", "vicreg", settings, seed=3)
    assert command("resume", tmp_path / "run", "--device", "cpu") == 0
    assert "3 steps" in capsys.readouterr().out


def test_resume_takes_up_a_checkpoint_where_there_is_one(pictures, tmp_path, monkeypatch, capsys):
    seen = []

    def run(settings, **given):
        seen.append((given["resume"], given["seed"], given["train"].name, given["folder"]))
        raise ValueError("enough")

    monkeypatch.setattr(vicreg, "run", run)
    runs.begin(tmp_path, "vicreg", replace(vicreg.PRESETS["quick"], data=str(pictures)), seed=3)
    assert command("resume", tmp_path, "--device", "cpu") == 1
    (tmp_path / "checkpoint.pt").touch()
    assert command("resume", tmp_path, "--device", "cpu") == 1
    assert "enough" in capsys.readouterr().err
    assert [row[:2] for row in seen] == [(False, 3), (True, 3)] and {row[3] for row in seen} == {str(tmp_path)}


def test_samples_of_a_generative_run_become_a_picture_and_other_runs_have_none(tmp_path, capsys):
    train = ["train", "gan", "--epochs", 1, "--set", "hidden=8", "--set", "budget.batch=128", "--device", "cpu"]
    assert command(*train, "--seed", 5, "--out", tmp_path / "gan") == 0
    about = json.loads((tmp_path / "gan" / "settings.json").read_text())
    assert about["seed"] == 5 and about["settings"]["hidden"] == 8 and about["settings"]["cost"] == "non-saturating"
    assert command("sample", tmp_path / "gan", "--device", "cpu", "--out", tmp_path / "new" / "picture.png") == 0
    assert "64 samples" in capsys.readouterr().out and Image.open(tmp_path / "new" / "picture.png").size[0] > 200
    runs.begin(tmp_path / "other", "vicreg", vicreg.PRESETS["quick"], seed=0)
    assert command("sample", tmp_path / "other", "--out", tmp_path / "none.png") == 1
    assert "nothing to sample from" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["resume", "nowhere"], "holds no run"),
        (["evaluate", "nowhere"], "holds no run"),
        (["train", "vicreg", "--preset", "huge", "--out", "x"], "no preset 'huge'"),
        (["train", "vicreg", "--set", "budget.speed=2", "--out", "x"], "no setting 'budget.speed'"),
        (["train", "eigenmaps", "--out", "x"], "has no run()"),
        (["train", "nonesuch", "--out", "x"], "no recipe 'nonesuch'"),
    ],
)
def test_mistakes_are_explained_in_one_line(words, said, capsys):
    assert command(*words) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_nothing_to_represent_is_said():
    with pytest.raises(ValueError, match="data set is empty"):
        represent(torch.nn.Flatten(), torch.zeros(0, 3, 8, 8, dtype=torch.uint8))


def test_representations_do_not_depend_on_the_batch_and_leave_the_mode():
    encoder = vicreg.untrained(vicreg.PRESETS["quick"], (3, 32, 32)).train()
    images = load("shapes10", "test", n=50).images
    small, large = (represent(encoder, images, batch=size, precision="float32") for size in (7, 50))
    assert small.shape == (50, encoder.dim) and encoder.training
    assert torch.allclose(small, large, atol=1e-5)
    assert pixels(images).shape == (50, 3 * 32 * 32) and pixels(images).max() <= 1


def test_the_two_views_of_a_picture_are_two_and_the_generator_decides_them():
    images = load("shapes10", "test", n=4).images
    draw = lambda seed: vicreg.two_views(images, vicreg.VIEWS["shapes"], torch.Generator().manual_seed(seed))  # noqa: E731
    assert draw(0).shape == (8, 3, 20, 20)
    assert torch.equal(draw(0), draw(0)) and not torch.equal(draw(0), draw(1))
    assert not torch.equal(*draw(0).chunk(2))


def test_unknown_encoders_are_named():
    with pytest.raises(ValueError, match="resnet18"):
        vicreg.build(replace(vicreg.PRESETS["quick"], encoder="transformer"), (3, 32, 32), 0)


def test_step_times_add_up_and_stay_below_the_machines_rate():
    tiny = replace(vicreg.PRESETS["quick"], widths=(8, 16), projector=(16, 16))
    times = time_step(tiny, load("shapes10", "train", n=256), steps=2, warm_up=1)
    assert sum(times.shares().values()) == pytest.approx(1.0)
    assert all(seconds > 0 for seconds in times.parts.values())
    assert times.views_per_second == pytest.approx(2 * tiny.budget.batch / sum(times.parts.values()))
    assert 0 < times.flops_per_second < matrix_rate(512, 2)


def test_a_whitened_start_takes_its_first_kernels_from_the_training_pictures():
    train = load("shapes10", "train").first(256)
    still = replace(vicreg.PRESETS["quick"].budget, epochs=1, batch=128, learning_rate=0.0, weight_decay=0.0)
    settings = replace(vicreg.PRESETS["quick"], whiten=True, budget=still)
    stem = vicreg.run(settings, train=train, seed=3, show=False).encoder.stages[0][0].weight
    expected = whitening_kernels(train.sample(256, seed=3).images, settings.widths[0])
    assert torch.equal(stem.contiguous(), expected)
    raw = vicreg.untrained(settings, (3, 32, 32), 3).stages[0][0].weight
    assert not torch.equal(raw, expected), "the untrained encoder is random"


def test_more_looks_are_more_views_of_the_same_pictures_and_all_pairs_count(monkeypatch):
    train = load("shapes10", "train").first(64)
    settings = replace(vicreg.PRESETS["quick"], widths=(8, 16), projector=(16, 16), looks=4)
    task = vicreg.VICRegTask(vicreg.build(settings, (3, 32, 32), 0), train, None, settings, "cpu")
    seen = []
    task.views = lambda images, generator: seen.append(images) or vicreg.VIEWS["shapes"](images, generator)
    monkeypatch.setattr(vicreg, "vicreg_of_many", lambda z, weights: {"loss": z.sum(), "shape": z.shape})
    found = task.terms(torch.arange(5, 15), torch.Generator().manual_seed(0))
    assert found["shape"] == (4, 10, 16)
    assert len(seen) == 4 and all(torch.equal(images, train.images[5:15]) for images in seen)
    times = time_step(replace(settings, budget=replace(settings.budget, batch=16)), train, steps=1, warm_up=1)
    assert times.views_per_second == pytest.approx(4 * 16 / sum(times.parts.values()))


def test_views_grow_with_the_budget_and_a_resumed_run_goes_on_where_it_was(monkeypatch, tmp_path):
    train = load("shapes10", "train").first(64)
    budget = Budget(epochs=3, batch=32, precision="float32")  # six steps
    settings = replace(vicreg.PRESETS["quick"], widths=(8, 16), projector=(16, 16), grow=(16, 20, 24), budget=budget)
    sides, draw = [], vicreg.many_views
    monkeypatch.setattr(vicreg, "many_views", lambda i, views, g: sides.append(views.size) or draw(i, views, g))
    whole = vicreg.run(settings, train=train, seed=0, show=False).network
    assert sides == [16, 16, 20, 20, 24, 24]

    def stop(*_):
        raise KeyboardInterrupt

    how = {"train": train, "seed": 0, "show": False, "folder": tmp_path}
    often = replace(settings, budget=replace(budget, checkpoint_every=1e-9))  # a checkpoint after every step
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(vicreg, "many_views", lambda i, views, g: stop() if views.size == 24 else draw(i, views, g))
        vicreg.run(often, **how)
    sides.clear()
    resumed = vicreg.run(often, **how, resume=True).network
    assert sides == [24, 24] and checksum(resumed) == checksum(whole)
    fixed = vicreg.VICRegTask(whole, train, None, replace(settings, grow=()), "cpu")
    fixed.at(0.9)
    assert fixed.views == vicreg.VIEWS[settings.views]
    with pytest.raises(ValueError, match="16 pixels or more"):
        replace(settings, grow=(24, 8))
    with pytest.raises(ValueError, match="such as 16,24"):
        runs.changed(settings, {"grow": 24})


def test_the_test_terms_are_taken_on_views_of_one_size(monkeypatch):
    train = load("shapes10", "train").first(64)
    budget = Budget(epochs=2, batch=32, precision="float32", test_every=1)
    settings = replace(vicreg.PRESETS["quick"], widths=(8, 16), projector=(16, 16), grow=(16, 24), budget=budget)
    sides, draw = [], vicreg.many_views
    monkeypatch.setattr(vicreg, "many_views", lambda i, views, g: sides.append(views.size) or draw(i, views, g))
    vicreg.run(settings, train=train, test=train.first(32), seed=0, show=False)
    assert sides == [16, 16, 24, 24, 24, 24], "two steps, a look at the test set, two steps, a look"
