"""The parts of views: every operation and drawn parameter against torchvision's (the pipeline: test_augment_views.py).

TIGHT: both sides compute the same formula in float32 on numbers up to 1, in another order (matrix products instead of
loops, folded constants). The rounding of some tens of additions is below 1e-5.
HUE: a hue divides by the chroma. We compare on images of bytes, whose chroma is 0 or at least 1/255, so the rounding of
the channels (1e-7) grows to at most 6 * 255 * 1e-7 of a sixth of a turn, times the chroma again: below 1e-5 as well.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision import transforms
from torchvision.transforms.v2 import functional as reference

from latentlab.augment import colour, geometry
from latentlab.data import to_float

TIGHT = {"rtol": 0.0, "atol": 1e-5}
BILINEAR = reference.InterpolationMode.BILINEAR


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def bytes_of(b: int = 24, c: int = 3, h: int = 32, w: int = 32, seed: int = 0) -> Tensor:
    """Noise, with plain, grey, black, white and saturated images among it."""
    images = torch.randint(0, 256, (b, c, h, w), dtype=torch.uint8, generator=seeded(seed))
    if b >= 6:
        images[0], images[1], images[2] = 0, 255, 77
        images[3] = images[3, :1]  # grey
        images[4] = images[4] // 128 * 255  # only 0 and 255
        images[5, :, : h // 2] = 200
    return images


def floats_of(*args, **kwargs) -> Tensor:
    return to_float(bytes_of(*args, **kwargs))


def uniform(b: int, low: float, high: float, seed: int = 1) -> Tensor:
    return torch.rand(b, generator=seeded(seed)) * (high - low) + low


# --- every operation, per sample, against torchvision's ---


@pytest.mark.parametrize("size", [8, 20, 32, 48])
@pytest.mark.parametrize("shape", [(32, 32), (28, 41)])
def test_resized_crop(size, shape):
    images = floats_of(40, 3, *shape)
    boxes = geometry.random_boxes(40, *shape, (0.02, 1.0), seeded())
    boxes[0] = torch.tensor([3, 4, 1, 1])  # a single pixel
    boxes[1] = torch.tensor([0, 0, *shape])
    flip = geometry.random_choice(40, 0.5, seeded(3))
    assert 0 < flip.sum() < 40
    ours = geometry.resized_crop(images, boxes, size, flip)
    for image, box, mirrored, view in zip(images, boxes.tolist(), flip, ours, strict=True):
        expected = reference.resized_crop(image, *box, [size, size], BILINEAR, antialias=True)
        expected = reference.horizontal_flip(expected) if mirrored else expected
        torch.testing.assert_close(view, expected, **TIGHT)


def test_resized_crop_of_bytes_is_that_of_floats():
    images, boxes = bytes_of(8), geometry.random_boxes(8, 32, 32, (0.2, 1.0), seeded())
    torch.testing.assert_close(
        geometry.resized_crop(images, boxes, 20), geometry.resized_crop(to_float(images), boxes, 20), **TIGHT
    )


@pytest.mark.parametrize("size", [2, 20])
def test_a_blur_on_the_way_is_a_blur_of_the_view(size):
    images, sigmas = floats_of(), uniform(24, *geometry.SIGMA)
    sigmas[6:8] = torch.tensor([0.0, 1.0])
    boxes = geometry.random_boxes(24, 32, 32, (0.2, 1.0), seeded())
    ours, sharp = geometry.resized_crop(images, boxes, size, sigmas=sigmas), geometry.resized_crop(images, boxes, size)
    assert torch.equal(ours[6], sharp[6]) and not torch.allclose(ours[7], sharp[7], atol=0.01)
    for image, sigma, view in zip(sharp, sigmas.tolist(), ours, strict=True):
        expected = reference.gaussian_blur(image, [3, 3], [sigma, sigma]) if sigma else image
        torch.testing.assert_close(view, expected, **TIGHT)


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("channels", [1, 3])
def test_adjust(name, channels):
    images, factors = floats_of(24, channels), uniform(24, 0.0, 2.5)
    ours = getattr(colour, f"adjust_{name}")(images.clone(), factors)
    for image, factor, view in zip(images, factors.tolist(), ours, strict=True):
        torch.testing.assert_close(view, getattr(reference, f"adjust_{name}")(image, factor), **TIGHT)


@pytest.mark.parametrize("channels", [1, 3])
def test_adjust_hue(channels):
    images, shifts = floats_of(24, channels), uniform(24, -0.5, 0.5)
    shifts[6:10] = torch.tensor([-0.5, 0.5, 1 / 3, -1 / 3])
    ours = colour.adjust_hue(images.clone(), shifts)
    for image, shift, view in zip(images, shifts.tolist(), ours, strict=True):
        torch.testing.assert_close(view, reference.adjust_hue(image, min(max(shift, -0.5), 0.5)), **TIGHT)


def test_jitter_is_torchvisions_four_operations_in_our_order():
    images = floats_of()
    factors = colour.random_jitter(24, (0.4, 0.4, 0.2, 0.1), seeded())
    ours = colour.jitter(images.clone(), factors)
    for i, (image, view) in enumerate(zip(images, ours, strict=True)):
        expected = image
        for name, factor in zip(("brightness", "contrast", "saturation", "hue"), factors.T, strict=True):
            expected = getattr(reference, f"adjust_{name}")(expected, factor[i].item())
        # 1e-4: after clipping and blending, a chroma can be so small that rounding turns the hue a little
        torch.testing.assert_close(view, expected, rtol=0, atol=1e-4)


def test_grey():
    images, chosen = floats_of(), geometry.random_choice(24, 0.5, seeded())
    for image, grey, view in zip(images, chosen, colour.to_grey(images.clone(), chosen), strict=True):
        torch.testing.assert_close(view, reference.rgb_to_grayscale(image, 3) if grey else image, **TIGHT)


def test_mixing_is_a_matrix_product_about_middle_grey():
    images, matrices = floats_of(), colour.random_mixing(24, 0.7, seeded())
    expected = torch.einsum("bij,bjhw->bihw", matrices.double(), images.double() - 0.5) + 0.5
    torch.testing.assert_close(colour.mix_colours(images, matrices).double(), expected.clamp(0, 1), **TIGHT)


def test_colours_almost_commute_with_resizing():
    """Views change colours after the resize, where there are fewer pixels. Grey and mixing are affine in the colour,
    and so commute with the weighted means of a resize, but for clipping; hue and clipping commute only nearly."""
    steps = torch.linspace(0, 1, 32)
    smooth = torch.stack((steps.expand(32, 32), steps.flip(0)[:, None].expand(32, 32), (steps * steps[:, None])))
    images = (smooth.expand(24, 3, 32, 32) + 0.05 * torch.randn(24, 3, 32, 32, generator=seeded())).clamp(0.1, 0.9)
    boxes = geometry.random_boxes(24, 32, 32, (0.2, 1.0), seeded())
    gap = {}
    for name, change in {
        "grey": lambda x: colour.to_grey(x, torch.ones(24, dtype=torch.bool)),
        "saturation": lambda x: colour.adjust_saturation(x, uniform(24, 0.8, 1.2)),
        "mixing": lambda x: colour.mix_colours(x, 0.5 * colour.random_mixing(24, 1.0, seeded())),
        "jitter": lambda x: colour.jitter(x, colour.random_jitter(24, (0.4, 0.0, 0.2, 0.1), seeded())),
    }.items():
        first = change(geometry.resized_crop(images, boxes, 20))
        last = geometry.resized_crop(change(images.clone()), boxes, 20)
        gap[name] = (first - last).abs().mean().item()
    assert gap["grey"] < 1e-6
    assert gap["mixing"] < 1e-6  # half the strength: nothing is clipped
    assert gap["saturation"] < 1e-3
    assert 1e-5 < gap["jitter"] < 0.01  # a hundredth of the range: less than a tenth of what the jitter itself changes


def test_hue_turns_all_the_way_round():
    images = floats_of()
    third = torch.full((24,), 1 / 3)
    turned = colour.adjust_hue(images.clone(), third)
    torch.testing.assert_close(turned, images.roll(1, dims=1), **TIGHT)  # red becomes green becomes blue
    assert math.isclose(turned.sum().item(), images.sum().item(), rel_tol=1e-5)


# --- the drawn parameters, as distributions ---


def same_distribution(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Kolmogorov-Smirnov at one in a thousand. Seeds are fixed, so a pass stays a pass."""
    return stats.ks_2samp(ours, theirs).pvalue > 1e-3


@pytest.mark.parametrize("scale", [(0.2, 1.0), (0.9, 1.0)])  # the second rarely fits: redraws and fallback matter
@pytest.mark.parametrize("shape", [(32, 32), (20, 48)])
def test_boxes_follow_torchvision(scale, shape):
    n = 3000
    ours = geometry.random_boxes(n, *shape, scale, seeded()).numpy()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        image = torch.empty(3, *shape)
        theirs = np.array([transforms.RandomResizedCrop.get_params(image, scale, geometry.RATIO) for _ in range(n)])
    for column in range(4):
        assert same_distribution(ours[:, column], theirs[:, column])
    assert same_distribution(ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3])
    assert same_distribution(ours[:, 3] / ours[:, 2], theirs[:, 3] / theirs[:, 2])
    assert not same_distribution(ours[:, 2] * 0.95, theirs[:, 2])  # the comparison notices five per cent
    assert (ours[:, :2] >= 0).all() and (ours[:, 2:] >= 1).all()
    assert (ours[:, 0] + ours[:, 2] <= shape[0]).all() and (ours[:, 1] + ours[:, 3] <= shape[1]).all()


@pytest.mark.parametrize("shape", [(100, 3), (3, 100), (7, 11)])
def test_a_box_that_never_fits_falls_back_like_torchvision(shape):
    scale = (0.999, 1.0)
    ours = geometry.random_boxes(50, *shape, scale, seeded())
    theirs = transforms.RandomResizedCrop.get_params(torch.empty(3, *shape), scale, geometry.RATIO)
    assert ours.tolist() == [list(theirs)] * 50


def test_jitter_factors_follow_torchvision():
    n, strength = 3000, (0.4, 0.6, 0.2, 0.1)
    ours = colour.random_jitter(n, strength, seeded())
    ours = ours[ours[:, 3] != 0]  # the chosen ones
    theirs = transforms.ColorJitter(*strength)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        ranges = (theirs.brightness, theirs.contrast, theirs.saturation, theirs.hue)
        drawn = [transforms.ColorJitter.get_params(*ranges)[1:] for _ in range(n)]
    for factor, reference_factor in zip(ours.T, zip(*drawn, strict=True), strict=True):
        assert same_distribution(factor.numpy(), np.array(reference_factor))


def test_choices_have_their_probabilities():
    n = 20_000
    factors = colour.random_jitter(n, (0.4, 0.4, 0.2, 0.1), seeded())
    for factor, neutral in zip(factors.T, (1, 1, 1, 0), strict=True):
        assert abs((factor != neutral).float().mean() - 0.8) < 0.02  # four standard deviations are 0.011
    assert abs(geometry.random_choice(n, 0.2, seeded()).float().mean() - 0.2) < 0.02
    assert 0 <= colour.random_jitter(n, (2.0, 2.0, 2.0, 0.5), seeded())[:, :3].min() < 0.01  # never negative
    sigmas = geometry.random_sigmas(n, 0.3, seeded())
    assert abs((sigmas > 0).float().mean() - 0.3) < 0.02
    assert stats.kstest(sigmas[sigmas > 0].numpy(), "uniform", (0.1, 0.9)).pvalue > 1e-3


def test_mixing_matrices():
    assert torch.equal(colour.random_mixing(4, 0.0, seeded()), torch.eye(3).expand(4, 3, 3))
    rows = colour.random_mixing(5000, 1.0, seeded()).flatten(0, 1)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))
    assert rows.mean(0).abs().max() < 0.03  # any direction: five standard deviations are 0.024
    assert (rows.T @ rows / len(rows) - torch.eye(3) / 3).abs().max() < 0.02
