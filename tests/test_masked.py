"""Masked convolutions, PixelCNN, receptive fields, likelihoods in bits."""

import math

import pytest
import torch

from latentlab.data import load
from latentlab.evaluation import before, by_pencil, receptive_field
from latentlab.losses import bernoulli_log_likelihood, bits_per_dimension
from latentlab.models.masked import KINDS, MaskedConv2d, PixelCNN, Raster, Stacks, complete, mask
from latentlab.recipes.generative import pixelcnn
from latentlab.training import Budget

TINY = pixelcnn.Settings(
    side=7, width=6, layers=2, budget=Budget(epochs=2, batch=32, learning_rate=0.01, precision="float32")
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_masked_convolution_sees_what_its_mask_says(kind):
    torch.manual_seed(0)
    seen = receptive_field(MaskedConv2d(kind, 1, 3, 5), 5, (2, 2))
    assert torch.equal(seen, mask(kind, 5).bool())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 3, 5])
def test_what_is_cut_off_a_masked_kernel_changes_nothing(kind, size):
    torch.manual_seed(0)
    layer, x = MaskedConv2d(kind, 2, 3, size), torch.randn(2, 2, 6, 4)
    whole = torch.nn.functional.conv2d(x, layer.weight * layer.mask, layer.bias, padding=size // 2)
    assert torch.allclose(layer(x), whole, atol=1e-6)
    assert layer.rows * layer.columns <= size * size and (size == 1 or layer.rows < size)


def test_the_masks_of_the_homework():
    assert mask("A", 3).tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert mask("B", 3).tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    for kind, size, words in (("C", 3, "no mask 'C'"), ("A", 4, "no centre"), ("A", 0, "no centre")):
        with pytest.raises(ValueError, match=words):
            mask(kind, size)


@pytest.mark.parametrize("pixel", [(0, 0), (3, 0), (3, 6), (4, 3)])
def test_pixelcnn_never_looks_ahead_and_two_stacks_see_everything_before(pixel):
    torch.manual_seed(1)
    fields = {stacks: torch.zeros(7, 7, dtype=torch.bool) for stacks in (True, False)}
    for stacks in fields:
        for _ in range(4):  # a ReLU may be shut for one set of weights
            fields[stacks] |= receptive_field(PixelCNN(8, 7, first=3, stacks=stacks), 7, pixel)
    assert torch.equal(fields[True], before(7, pixel))
    plain = by_pencil([mask("A", 3), *[mask("B", 3)] * 6], 7, pixel)
    assert not (fields[False] & ~before(7, pixel)).any() and not (fields[False] & ~plain).any()


@pytest.mark.parametrize("kind", [Raster, Stacks])
def test_a_later_layer_whose_weights_are_zero_hands_on_what_came(kind):
    layer, came = kind(4, False, 3), (torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5))
    for parameter in layer.parameters():
        parameter.data.zero_()
    went = layer(came)
    assert torch.equal(went[0], came[0]) and (kind is Raster or torch.equal(went[1], came[1]))


def test_probabilities_of_all_images_sum_to_one():
    torch.manual_seed(0)
    network = PixelCNN(4, 2, first=3)
    images = torch.tensor([[(n >> i) & 1 for i in range(9)] for n in range(512)]).float().view(512, 1, 3, 3)
    with torch.no_grad():
        total = bernoulli_log_likelihood(network(images), images).double().exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-5)


def test_completing_keeps_what_is_known_and_draws_from_the_model():
    torch.manual_seed(0)
    network, images = PixelCNN(4, 2, first=3), torch.ones(400, 1, 3, 3)
    known = torch.tensor([[1, 1, 0], [0, 0, 0], [0, 0, 0]]).bool()
    drawn = complete(network, images, known, torch.Generator().manual_seed(0))
    assert (drawn[:, 0][:, known] == 1).all() and set(drawn.unique().tolist()) <= {0.0, 1.0}
    chance = network(images)[0, 0, 0, 2].sigmoid().item()
    assert drawn[:, 0, 0, 2].mean().item() == pytest.approx(chance, abs=0.1)


def test_likelihoods_are_finite_and_in_the_right_unit():
    x = torch.tensor([[[[1.0, 0.0]]]])
    assert bernoulli_log_likelihood(torch.zeros(1, 1, 1, 2), x).item() == pytest.approx(2 * math.log(0.5))
    assert bits_per_dimension(2 * math.log(2), 2) == pytest.approx(1)
    assert bernoulli_log_likelihood(torch.full((1, 1, 1, 2), -1e4), x).isfinite()
    certain = torch.tensor([-100.0, 100.0]).view(1, 1, 1, 2)  # probabilities of 0 and 1, to the last digit
    assert bernoulli_log_likelihood(certain, 1 - (certain > 0).float()).item() == pytest.approx(-200)
    for wrong in (lambda: bernoulli_log_likelihood(x, 2 * x), lambda: bernoulli_log_likelihood(x, x - 1)):
        with pytest.raises(ValueError, match="lie in"):
            wrong()
    with pytest.raises(ValueError, match="at least one dimension"):
        bits_per_dimension(1.0, 0)


def test_independent_pixels_have_their_frequencies_after_one_more_of_each_kind():
    white = torch.ones(2, 1, 1, 1)
    assert pixelcnn.independent_nats(white, white[:1]) == pytest.approx(-math.log(3 / 4))


def test_scores_are_nats_an_image_and_bits_a_pixel():
    train, test = load("digits").first(20), load("digits", "test").first(20)
    found = pixelcnn.scores(pixelcnn.build(TINY, (1, 28, 28), 0), TINY, train, test)
    for name in ("PixelCNN", "independent pixels"):
        assert found[f"{name}, bits per pixel"] == pytest.approx(found[f"{name}, nats"] / 49 / math.log(2))


def test_training_lowers_the_nats_and_same_seed_same_weights():
    train, test = load("digits").first(300), load("digits", "test").first(60)
    first, again = (pixelcnn.run(TINY, train=train, test=test, show=False) for _ in range(2))
    losses = first.history.epochs["loss"]
    assert losses[-1] < 0.9 * 49 * math.log(2) and losses == again.history.epochs["loss"]
    scores = pixelcnn.scores(first.network, TINY, train, test)
    assert scores["PixelCNN, nats"] == pytest.approx(losses[-1], rel=1e-4)
    drawn = pixelcnn.sample(first.network, TINY, 3, torch.Generator().manual_seed(0))
    assert drawn.shape == (3, 1, 7, 7)
    with pytest.raises(ValueError, match="3 channels"):
        pixelcnn.build(TINY, (3, 7, 7), 0)
