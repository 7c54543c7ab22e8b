"""Views as a pipeline: composition, presets, edge cases, errors. The parts are compared in test_augment.py."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from latentlab.augment import PRESETS, Views, colour, geometry, presets
from latentlab.augment.single import LEAST, OneFigure, paint
from latentlab.data import to_float
from test_augment import TIGHT, bytes_of, seeded

# --- the pipeline ---


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("channels", [1, 3])
def test_presets(name, channels):
    views, images = PRESETS[name], bytes_of(16, channels)
    view = views(images, seeded())
    assert view.shape == (16, channels, views.size, views.size)
    assert view.dtype == torch.float32 and view.is_contiguous() and not view.requires_grad
    assert view.min() >= 0 and view.max() <= 1 + 1e-6
    assert torch.equal(view, views(images, seeded()))  # same seed, same views
    assert torch.equal(images, bytes_of(16, channels))  # the images stay as they are
    generator = seeded()
    views(images, generator)
    assert torch.equal(views(images, generator), view) == name.startswith("none")  # the next view is another one


def test_every_sample_has_its_own_parameters():
    images = bytes_of(1, 3, seed=5).expand(64, 3, 32, 32)
    for name in ("exercise", "cifar-cpu", "shapes", "shapes-no-colour"):
        assert len(PRESETS[name](images, seeded()).unique(dim=0)) > 50  # flips of few crops may coincide


def test_a_view_is_the_composition_of_its_operations():
    images = bytes_of(16, 3, 28, 36)
    views = Views(20, jitter=(0.4, 0.4, 0.2, 0.1), mix=0.5, grey=0.3, blur=0.5)
    g = seeded()
    boxes = geometry.random_boxes(16, 28, 36, views.scale, g)
    flip, sigmas = geometry.random_choice(16, 0.5, g), geometry.random_sigmas(16, 0.5, g)
    expected = geometry.resized_crop(to_float(images), boxes, 20, flip, sigmas)
    expected = colour.jitter(expected, colour.random_jitter(16, views.jitter, g))
    expected = colour.mix_colours(expected, colour.random_mixing(16, 0.5, g))
    expected = colour.to_grey(expected, geometry.random_choice(16, 0.3, g))
    torch.testing.assert_close(views(images, seeded()), expected, rtol=0, atol=1e-4)  # hue, as above


@pytest.mark.parametrize("parts", [1, 5])
def test_parts_of_a_batch_give_the_views_of_the_whole(parts, monkeypatch):
    views, images = Views(20, jitter=(0.4, 0.4, 0.2, 0.1), mix=0.5, grey=0.3, blur=0.5), bytes_of(12)
    whole = views(images, seeded())
    monkeypatch.setattr(presets, "CACHED_NUMBERS", parts * 3 * 20 * 20)
    torch.testing.assert_close(views(images, seeded()), whole, rtol=0, atol=1e-4)  # hue, as above


def test_a_step_that_is_switched_off_draws_nothing():
    generator = seeded()
    PRESETS["none"](bytes_of(8), generator)
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_a_painted_figure_stands_out_and_a_blank_picture_stays_blank():
    images = torch.full((200, 3, 32, 32), 0.3)
    blank = paint(images, seeded())
    assert torch.equal(blank, images)
    images[:, :, 8:20, 10:16] = torch.tensor([0.9, 0.1, 0.3])[:, None, None]
    painted = paint(images, seeded())
    apart = (painted[:, :, 10, 12] - 0.3).norm(dim=1)
    assert (apart >= LEAST - 1e-5).float().mean() > 0.97 and torch.equal(painted[:, :, 0], images[:, :, 0])
    with pytest.raises(ValueError, match="h and w ≥ 32"):
        OneFigure(32)(bytes_of(2, 3, 32, 31), seeded())


def test_without_chance_a_view_is_the_image():
    images = bytes_of(8)
    torch.testing.assert_close(PRESETS["none"](images, seeded()), to_float(images), **TIGHT)
    unchanged = Views(32, (1, 1), flip=0, jitter=(0, 0, 0, 0))
    torch.testing.assert_close(unchanged(images, seeded()), to_float(images), **TIGHT)


def test_white_and_black_stay_in_range_through_everything():
    views = Views(20, jitter=(1, 1, 1, 0.5), mix=1, grey=0.5, blur=1)
    for seed in range(5):
        view = views(bytes_of(64, seed=seed), seeded(seed))
        assert view.isfinite().all() and view.min() >= 0 and view.max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_an_empty_batch_gives_an_empty_batch(channels):
    views = Views(20, jitter=(0.4, 0.4, 0.2, 0.1), mix=1, grey=0.2, blur=0.5)
    assert views(torch.empty(0, channels, 32, 32, dtype=torch.uint8), seeded()).shape == (0, channels, 20, 20)


def test_strided_images_give_the_same_views():
    images, views = bytes_of(12), PRESETS["exercise"]
    last = images.to(memory_format=torch.channels_last)
    assert not last.is_contiguous()
    torch.testing.assert_close(views(last, seeded()), views(images, seeded()), rtol=0, atol=1e-4)  # hue, as above


def test_a_view_may_be_larger_than_its_image():
    assert Views(48)(bytes_of(4), seeded()).shape == (4, 3, 48, 48)


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (torch.rand(2, 3, 32, 32), TypeError, "uint8.*float32"),
        (np.zeros((2, 3, 32, 32), np.uint8), TypeError, "uint8 tensor.*ndarray"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), ValueError, "batch dimension"),
        (torch.zeros(2, 32, 32, 3, dtype=torch.uint8), ValueError, "permute"),
        (torch.zeros(2, 4, 32, 32, dtype=torch.uint8), ValueError, "1 or 3 channels"),
        (torch.zeros(2, 3, 0, 32, dtype=torch.uint8), ValueError, "shape"),
    ],
)
def test_wrong_images_are_refused_in_words(images, error, words):
    with pytest.raises(error, match=words):
        Views(20)(images, seeded())


@pytest.mark.parametrize(
    "setting",
    [
        {"size": 0},
        {"scale": (0.0, 1.0)},
        {"scale": (0.5, 1.5)},
        {"flip": 1.5},
        {"mix": -0.1},
        {"jitter": (0.4, 0.4, 0.2)},
        {"jitter": (0.4, 0.4, 0.2, 0.6)},
        {"blur": 0.5, "size": 1},
        {"grey": 2},
        {"blur": 1.1},
    ],
)
def test_wrong_settings_are_refused_by_name(setting):
    with pytest.raises(ValueError, match=list(setting)[-1]):
        Views(**{"size": 20, **setting})


def test_every_setting_matters():
    """A field that no step reads would leave the views unchanged."""
    images = bytes_of(32)
    base = Views(20, jitter=(0.4, 0.4, 0.2, 0.1), blur=0.5, mix=0.5, grey=0.5)
    other = {
        "size": 24,
        "scale": (0.1, 0.5),
        "flip": 0.1,
        "jitter": (0.1, 0.1, 0.1, 0.0),
        "mix": 1.0,
        "grey": 0.1,
        "blur": 0.1,
    }
    assert set(other) == {field.name for field in fields(Views)}
    before = base(images, seeded())
    for name, value in other.items():
        after = replace(base, **{name: value})(images, seeded())
        assert after.shape != before.shape or not torch.allclose(after, before), name
