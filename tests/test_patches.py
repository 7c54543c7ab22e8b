"""Patch features: whitening, normalisation and activations against plain definitions, memory, seeds, errors."""

from dataclasses import replace

import pytest
import torch

from latentlab.data import load
from latentlab.evaluation import linear_probe
from latentlab.models import patches
from latentlab.models.patches import PatchEncoder, PatchSettings, contrast_normalise, fit_patches, zca
from latentlab.recipes.represent import pixels, represent

SMALL = PatchSettings(filters=12, patches=2000)


def random_images(n=40, c=3, h=14, w=17, seed=0):
    return torch.randint(0, 256, (n, c, h, w), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_brightness_is_removed_exactly_and_contrast_up_to_the_regulariser():
    x = torch.rand(50, 3, 48, generator=torch.Generator().manual_seed(0)) * 0.5
    c = patches.CONTRAST
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
    images = random_images(300, c=1)  # of noise
    encoder = fit_patches(images, replace(SMALL, patches=20_000))
    raw = patches.sample_patches(images, 20_000, torch.Generator().manual_seed(5))
    white = (contrast_normalise(raw) - encoder.mean) @ encoder.whiten
    covariance = torch.cov(white.T, correction=0)
    variances = torch.linalg.eigvalsh(covariance)
    assert variances[0] < 1e-5  # the one direction that the mean took away
    # in noise all others have the same λ = 36 / 35, and λ / (λ + 0.1) is left of it, up to the sample's share
    torch.testing.assert_close(variances[1:], torch.full((35,), 0.911), atol=0.12, rtol=0)


def test_sampled_patches_are_patches_of_the_images():
    images = torch.arange(2 * 3 * 8 * 9).remainder(251).to(torch.uint8).view(2, 3, 8, 9)
    sampled = patches.sample_patches(images, 300, torch.Generator().manual_seed(0))
    all_patches = torch.nn.functional.unfold(images / 255, 6).transpose(1, 2).flatten(0, 1)  # (2 · 3 · 4, 108)
    distance = torch.cdist(sampled, all_patches, compute_mode="donot_use_mm_for_euclid_dist")
    assert distance.min(1).values.max() < 1e-5
    assert set(distance.argmin(1).tolist()) == set(range(24))  # every image and place is drawn


def reference(encoder, image):
    """The features of one image by the definitions, one patch at a time, in double precision; not standardised."""
    x, grid = image.double() / 255, patches.GRID
    rows, columns = x.shape[1] - 5, x.shape[2] - 5
    sums, counts = {}, {}
    for r in range(rows):
        for q in range(columns):
            p = x[:, r : r + 6, q : q + 6].flatten()
            p = (p - p.mean()) / (p.var(correction=0) + patches.CONTRAST).sqrt()
            white = encoder.whiten.double() @ (p - encoder.mean.double())
            z = (white - encoder.dictionary.double()).norm(dim=1)
            a = (z.mean() - z).clamp_min(0)
            cell = (r * grid // rows, q * grid // columns)
            sums[cell], counts[cell] = sums.get(cell, 0) + a, counts.get(cell, 0) + 1
    return torch.cat([sums[cell] / counts[cell] for cell in sorted(sums)])


@pytest.mark.parametrize("grid", [2, 3])
def test_features_are_those_of_the_definition(grid, monkeypatch):
    monkeypatch.setattr(patches, "GRID", grid)
    images = random_images(6)
    encoder = fit_patches(images, SMALL)
    features = encoder(images / 255)
    assert features.shape == (6, 12 * grid**2) and features.dtype == torch.float32
    expected = torch.stack([reference(encoder, image) for image in images])
    assert expected.max() > 0.05
    spread, mean = torch.std_mean(expected, 0, correction=0)
    spread[spread < 1e-6 * mean] = 1
    torch.testing.assert_close(features.double(), (expected - mean) / spread, atol=2e-3, rtol=0)


def test_features_do_not_depend_on_the_batch_size(monkeypatch):
    images = random_images(40)
    encoder = fit_patches(images, SMALL)
    whole = represent(encoder, images, precision="float32")
    torch.testing.assert_close(represent(encoder, images, batch=7, precision="float32"), whole, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(torch.cat([encoder(image[None] / 255) for image in images]), whole, atol=1e-4, rtol=1e-4)
    seen = []
    block = PatchEncoder._block
    monkeypatch.setattr(patches, "BLOCK", 5 * 12 * 9 * 12)  # room for five images' activations
    monkeypatch.setattr(PatchEncoder, "_block", lambda self, x, cell: seen.append(len(x)) or block(self, x, cell))
    torch.testing.assert_close(encoder(images[:20] / 255), whole[:20], atol=1e-4, rtol=1e-4)
    assert seen == [5] * 4


def test_same_seed_same_features():
    images, settings = random_images(), SMALL
    torch.manual_seed(1)
    first = represent(fit_patches(images, settings, seed=3), images)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(represent(fit_patches(images, settings, seed=3), images), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.allclose(represent(fit_patches(images, settings, seed=4), images), first, atol=0.1)


def test_features_are_standardised_over_the_first_training_images(monkeypatch):
    monkeypatch.setattr(patches, "STANDARDISE_ON", 40)
    images = random_images(60)
    encoder = fit_patches(images, SMALL)
    chosen = torch.Generator().manual_seed(0)
    patches.sample_patches(images, SMALL.patches, chosen)
    rows = torch.randperm(60, generator=chosen)[:40]
    y = encoder(images[rows] / 255)
    torch.testing.assert_close(y.mean(0), torch.zeros(48), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std(0, correction=0), torch.ones(48), atol=1e-3, rtol=0)
    assert encoder(images / 255).mean(0).abs().max() > 1e-2


def test_presets_have_the_stated_dimensions():
    dims = {name: settings.filters * patches.GRID**2 for name, settings in patches.PRESETS.items()}
    assert dims == {"quick": 512, "cpu": 6400}


def test_one_channel_and_flat_background():
    digits = load("digits", "train", n=100)
    encoder = fit_patches(digits.images, SMALL)
    y = represent(encoder, digits.images)
    assert y.shape == (100, 48) and y.isfinite().all()
    assert encoder.dictionary.unique(dim=0).shape[0] == 12
    blank = represent(encoder, torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    assert blank.isfinite().all()


def test_patch_features_say_more_about_the_class_than_pixels():
    train, test = load("shapes10", "train", n=1000), load("shapes10", "test", n=500)
    encoder = fit_patches(train.images, PatchSettings(filters=32, patches=5000))
    learned = linear_probe(represent(encoder, train.images), train.labels, represent(encoder, test.images), test.labels)
    plain = linear_probe(pixels(train.images), train.labels, pixels(test.images), test.labels)
    assert learned.accuracy > plain.accuracy + 0.05


@pytest.mark.parametrize(
    ("images", "settings", "words"),
    [
        (random_images(4, 3, 6, 9), SMALL, "at least 7 pixels a side"),
        (random_images(4, 3, 9, 6), SMALL, "too small"),
        (random_images(4).float(), SMALL, "uint8"),
        (random_images(4)[0], SMALL, "uint8"),
        (random_images(4)[:0], SMALL, "n ≥ 1"),
        (torch.full((4, 3, 14, 14), 7, dtype=torch.uint8), SMALL, "Only 0 of 2000 sampled patches are not flat"),
        (random_images(4), PatchSettings(filters=101, patches=100), "too few for 101 filters"),
    ],
)
def test_images_without_enough_patches_are_named(images, settings, words):
    with pytest.raises(ValueError, match=words):
        fit_patches(images, settings)


def test_nothing_in_it_is_trained_and_images_of_other_channels_are_refused():
    encoder = fit_patches(random_images(), SMALL)
    assert not any(p.requires_grad for p in encoder.parameters())
    with pytest.raises(ValueError, match="3 channel.*have 1"):
        represent(encoder, random_images(2, 1))
