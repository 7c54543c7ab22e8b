"""Patch features: whitening, normalisation and activations against plain definitions, memory, seeds, errors."""

from dataclasses import replace

import pytest
import torch

from latentlab.data import load
from latentlab.evaluation import linear_probe
from latentlab.models import patches
from latentlab.models.patches import PRESETS, PatchEncoder, PatchSettings, contrast_normalise, fit_patches, zca
from latentlab.recipes.represent import pixels, represent

SMALL = PatchSettings(filters=12, patch=4, patches=2000, passes=2, standardise_on=40)


def random_images(n=40, c=3, h=14, w=17, seed=0):
    return torch.randint(0, 256, (n, c, h, w), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_brightness_is_removed_exactly_and_contrast_up_to_the_regulariser():
    x = torch.rand(50, 3, 48, generator=torch.Generator().manual_seed(0)) * 0.5
    c = PatchSettings().contrast
    normal = contrast_normalise(x, c)
    torch.testing.assert_close(contrast_normalise(x + 0.3, c), normal, atol=1e-5, rtol=0)
    torch.testing.assert_close(contrast_normalise(x * 1.8, c), normal, atol=0.02, rtol=0)
    torch.testing.assert_close(contrast_normalise(x * 1.8, 1.8**2 * c), normal, atol=1e-5, rtol=0)
    variance = x.var(-1, correction=0)
    torch.testing.assert_close(normal.mean(-1), torch.zeros(50, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(normal.var(-1, correction=0), variance / (variance + c), atol=1e-5, rtol=1e-5)
    assert contrast_normalise(torch.full((1, 48), 0.7), c).abs().max() < 1e-4


def test_whitening_makes_the_covariance_the_identity_up_to_the_regulariser():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3000, 12, generator=generator) @ torch.randn(12, 12, generator=generator) + 5
    mean, w = zca(x, 1e-9)
    white = (x - mean) @ w
    torch.testing.assert_close(white.mean(0), torch.zeros(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(white.T @ white / len(x), torch.eye(12), atol=1e-3, rtol=0)
    torch.testing.assert_close(w, w.T)  # zero-phase: symmetric, so a whitened patch still looks like the patch
    # with a regulariser, what is left of C is C (C + ε)⁻¹
    mean, w = zca(x, 0.5)
    covariance = torch.cov(x.T, correction=0)
    white = (x - mean) @ w
    expected = covariance @ torch.linalg.inv(covariance + 0.5 * torch.eye(12))
    torch.testing.assert_close(white.T @ white / len(x), expected, atol=1e-3, rtol=0)


def test_whitening_of_normalised_patches_leaves_the_brightness_out():
    images = random_images(300)  # of noise
    encoder = fit_patches(images, replace(SMALL, patches=20_000))
    raw = patches.sample_patches(images, 4, 20_000, torch.Generator().manual_seed(5))
    white = (contrast_normalise(raw, SMALL.contrast) - encoder.mean) @ encoder.whiten
    covariance = torch.cov(white.T, correction=0)
    variances = torch.linalg.eigvalsh(covariance)
    assert variances[0] < 1e-5  # the one direction that the mean took away
    # in noise all others have the same λ = 48 / 47, and λ / (λ + 0.1) is left of it, up to the sample's share
    torch.testing.assert_close(variances[1:], torch.full((47,), 0.911), atol=0.12, rtol=0)


def test_sampled_patches_are_patches_of_the_images():
    images = torch.arange(2 * 3 * 6 * 7).remainder(251).to(torch.uint8).view(2, 3, 6, 7)
    sampled = patches.sample_patches(images, 4, 300, torch.Generator().manual_seed(0))
    all_patches = torch.nn.functional.unfold(images / 255, 4).transpose(1, 2).flatten(0, 1)  # (2 · 3 · 4, 48)
    distance = torch.cdist(sampled, all_patches, compute_mode="donot_use_mm_for_euclid_dist")
    assert distance.min(1).values.max() < 1e-5
    assert set(distance.argmin(1).tolist()) == set(range(24))  # every image and place is drawn


def reference(encoder, image):
    """The features of one image by the definitions, one patch at a time, in double precision."""
    s = encoder.settings
    x = image.double() / 255
    rows, columns = x.shape[1] - s.patch + 1, x.shape[2] - s.patch + 1
    sums, counts = {}, {}
    for r in range(rows):
        for q in range(columns):
            p = x[:, r : r + s.patch, q : q + s.patch].flatten()
            p = (p - p.mean()) / (p.var(correction=0) + s.contrast).sqrt()
            white = encoder.whiten.double() @ (p - encoder.mean.double())
            z = (white - encoder.dictionary.double()).norm(dim=1)
            a = (z.mean() - z).clamp_min(0)
            cell = (r * s.grid // rows, q * s.grid // columns)
            sums[cell], counts[cell] = sums.get(cell, 0) + a, counts.get(cell, 0) + 1
    return torch.cat([sums[cell] / counts[cell] for cell in sorted(sums)])


@pytest.mark.parametrize("grid", [2, 3])
def test_features_are_those_of_the_definition(grid):
    images = random_images(6)
    encoder = fit_patches(images, replace(SMALL, grid=grid))
    features = encoder.features(images[:2], standardise=False)
    assert features.shape == (2, encoder.settings.dim) and features.dtype == torch.float32
    expected = torch.stack([reference(encoder, image) for image in images[:2]])
    torch.testing.assert_close(features.double(), expected, atol=1e-4, rtol=1e-4)
    assert expected.max() > 0.05


def test_features_do_not_depend_on_the_batch_size(monkeypatch):
    images = random_images(40)
    encoder = fit_patches(images, SMALL)
    whole = encoder.features(images)
    torch.testing.assert_close(encoder.features(images, batch=7), whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat([encoder.features(image[None]) for image in images]), whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(represent(encoder, images, batch=9), whole, atol=1e-4, rtol=1e-4)
    seen = []
    block = PatchEncoder._block
    monkeypatch.setattr(patches, "BLOCK", 5 * 12 * 11 * 14)  # room for five images' activations
    monkeypatch.setattr(PatchEncoder, "_block", lambda self, x, cell: seen.append(len(x)) or block(self, x, cell))
    torch.testing.assert_close(encoder.features(images, batch=20), whole, atol=1e-4, rtol=1e-4)
    assert seen == [5] * 8


def test_same_seed_same_features():
    images, settings = random_images(), SMALL
    torch.manual_seed(1)
    first = fit_patches(images, settings, seed=3).features(images)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(fit_patches(images, settings, seed=3).features(images), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.allclose(fit_patches(images, settings, seed=4).features(images), first, atol=0.1)


def test_features_are_standardised_over_the_training_images():
    images = random_images(80)
    encoder = fit_patches(images, replace(SMALL, standardise_on=80))
    y = encoder.features(images)
    torch.testing.assert_close(y.mean(0), torch.zeros(encoder.dim), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std(0, correction=0), torch.ones(encoder.dim), atol=1e-3, rtol=0)
    raw = encoder.features(images, standardise=False)
    assert raw.min() >= 0
    torch.testing.assert_close(encoder.standardised(raw), y)


def test_presets_have_the_stated_dimensions():
    assert {name: settings.dim for name, settings in PRESETS.items()} == {"quick": 512, "cpu": 6400}


def test_one_channel_and_flat_background():
    digits = load("digits", "train", n=100)
    encoder = fit_patches(digits.images, SMALL)
    y = encoder.features(digits.images)
    assert y.shape == (100, encoder.dim) and y.isfinite().all()
    assert encoder.dictionary.unique(dim=0).shape[0] == 12
    blank = encoder.features(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    assert blank.isfinite().all()


def test_patch_features_say_more_about_the_class_than_pixels():
    train, test = load("shapes10", "train", n=1000), load("shapes10", "test", n=500)
    encoder = fit_patches(train.images, replace(PRESETS["quick"], filters=32, patches=5000, passes=2, standardise_on=200))
    learned = linear_probe(encoder.features(train.images), train.labels, encoder.features(test.images), test.labels)
    plain = linear_probe(pixels(train.images), train.labels, pixels(test.images), test.labels)
    assert learned.accuracy > plain.accuracy + 0.05


def test_an_encoder_can_be_saved_and_loaded():
    images = random_images()
    encoder = fit_patches(images, SMALL)
    empty = PatchEncoder(SMALL, 3)
    empty.load_state_dict(encoder.state_dict())
    assert torch.equal(empty.features(images), encoder.features(images))
    assert not any(p.requires_grad for p in encoder.parameters())


@pytest.mark.parametrize(
    ("images", "settings", "words"),
    [
        (random_images(4, 3, 4, 9), SMALL, "at least 5 a side"),
        (random_images(4, 3, 9, 4), SMALL, "too small"),
        (random_images(4).float(), SMALL, "uint8"),
        (random_images(4)[0], SMALL, "uint8"),
        (random_images(4)[:0], SMALL, "n ≥ 1"),
        (torch.full((4, 3, 14, 14), 7, dtype=torch.uint8), SMALL, "Only 0 of 2000 sampled patches are not flat"),
    ],
)
def test_images_without_enough_patches_are_named(images, settings, words):
    with pytest.raises(ValueError, match=words):
        fit_patches(images, settings)


def test_features_of_other_images_are_refused():
    encoder = fit_patches(random_images(), SMALL)
    with pytest.raises(ValueError, match="3 channel.*have 1"):
        encoder.features(random_images(2, 1))
    with pytest.raises(ValueError, match="too small"):
        encoder.features(random_images(2, 3, 3, 3))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"patches": 100, "filters": 101}, "100 patches are too few for 101 filters"),
        ({"filters": 0}, "filters = 0"),
        ({"whitening": 0.0}, "must be above 0"),
    ],
)
def test_impossible_settings_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        PatchSettings(**wrong)
