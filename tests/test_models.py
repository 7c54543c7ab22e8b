"""Shapes, determinism and the two properties the encoders are built for."""

import pytest
import torch

from latentlab.models import ConvNet, JointEmbedding, Projector, ResNet18
from latentlab.models.convnet import standardise, stem, whitening_kernels
from latentlab.models.convolution import Conv3x3


def images(n=2, side=32, channels=3):
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("side", [16, 20, 28, 32])
def test_convnet_takes_any_size_and_concatenates_its_stages(side):
    net = ConvNet(widths=(8, 16, 24, 32)).eval()
    assert net.dim == 80
    assert net(images(side=side)).shape == (2, 80)
    assert ConvNet(widths=(8, 16, 24, 32), keep=2).dim == 56


def test_a_seed_draws_the_stages_in_their_order_so_that_recorded_numbers_stay():
    torch.manual_seed(5)
    expected = stem(3, 8)[0].weight, Conv3x3(8, 16).weight
    torch.manual_seed(5)
    net = ConvNet(widths=(8, 16))
    assert all(torch.equal(stage[0].weight, weight) for stage, weight in zip(net.stages, expected, strict=True))


def test_convnet_pools_stage_means_without_changing_them():
    """The mean taken after 2×2 pooling equals the mean of the stage itself when the side is even."""
    net = ConvNet(widths=(8, 16, 24)).eval()
    x = images(side=32)
    stage = net.stages[1](net.stages[0]((x - 0.5) * 4.0))
    assert torch.allclose(net(x)[:, 8:24], stage.mean((2, 3)), atol=1e-5)
    x = images(side=28)  # the last stage, 7×7, is not pooled
    last = net.stages[2](torch.nn.functional.avg_pool2d(net.stages[1](net.stages[0]((x - 0.5) * 4.0)), 2))
    assert torch.allclose(net(x)[:, 24:], last.mean((2, 3)), atol=1e-5)


def test_whitening_kernels_make_patches_uncorrelated_and_come_with_their_mirror_image():
    smooth = torch.nn.functional.avg_pool2d(
        torch.rand(300, 3, 24, 24, generator=torch.Generator().manual_seed(0)), 3, 1, 1
    )
    pictures = (255 * smooth).round().to(torch.uint8)  # neighbouring pixels are alike
    kernels = whitening_kernels(pictures, 20, epsilon=1e-6)  # (20, 3, 4, 4)
    answers = torch.nn.functional.conv2d(standardise(pictures / 255), kernels[:10], stride=4)  # (300, 10, 6, 6)
    covariance = torch.cov(answers.transpose(0, 1).flatten(1))  # (10, 10)
    assert torch.allclose(covariance, torch.eye(10), atol=0.01)
    assert torch.equal(kernels[10:], -kernels[:10])
    size = kernels[:10].flatten(1).norm(dim=1)
    assert (size.diff() > 0).all(), "the direction of largest variance comes first, and is divided by most"
    for filters in (7, 98):
        with pytest.raises(ValueError, match="up to 96"):
            whitening_kernels(pictures, filters)


def test_convnet_refuses_images_too_small_to_pool():
    with pytest.raises(ValueError, match="16×16"):
        ConvNet()(images(side=8))


@pytest.mark.parametrize("side", [1, 2, 5, 6, 9])
def test_training_convolution_equals_torchs_with_all_gradients(side):
    """In float64 the two differ by rounding only, below and above the map size where matrix products take over."""
    generator = torch.Generator().manual_seed(side)
    ours = Conv3x3(4, 6).double()
    x = torch.randn(3, 4, side, side, dtype=torch.float64, generator=generator)
    weigh = torch.randn(3, 6, side, side, dtype=torch.float64, generator=generator)
    results = []
    for convolve in (ours, lambda x: torch.nn.functional.conv2d(x, ours.weight, padding=1)):
        leaf = x.clone().requires_grad_()
        y = convolve(leaf)
        results.append((y, *torch.autograd.grad((y * weigh).sum(), (leaf, ours.weight))))
    for mine, theirs in zip(*results, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-12)
    assert torch.allclose(ours.eval()(x), results[1][0], atol=1e-12)


def test_training_convolution_follows_autocast():
    layer, x = Conv3x3(8, 8), torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
        expected = torch.nn.functional.conv2d(x, layer.weight, padding=1)
    assert y.dtype == torch.bfloat16
    assert torch.allclose(y.float(), expected.float(), atol=0.02)
    y.float().sum().backward()
    assert x.grad.dtype == layer.weight.grad.dtype == torch.float32


def test_resnet_keeps_the_full_resolution_before_its_first_block():
    net = ResNet18(dim=128).eval()
    seen = {}
    net.net.layer1.register_forward_hook(lambda module, args, out: seen.update(shape=out.shape))
    assert net(images()).shape == (2, 128)
    assert seen["shape"][-2:] == (32, 32)
    # 11.17 M of the body and stem, 512·128 + 128 of the last layer
    assert sum(p.numel() for p in net.parameters()) == 11_234_496


def test_grey_images_need_only_one_channel():
    assert ConvNet(channels=1, widths=(8, 16)).eval()(images(channels=1)).shape == (2, 24)
    assert ResNet18(channels=1, dim=4).eval()(images(channels=1, side=28)).shape == (2, 4)


def test_projector_ends_linear_and_normalises_between_layers():
    head = Projector(10, (16, 8))
    assert [type(layer).__name__ for layer in head] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert Projector(10, (16, 8, 4))(torch.randn(5, 10)).shape == (5, 4)
    head.train()
    y = torch.randn(64, 10, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(head(100 * y), head(y), atol=1e-3)  # the first batch norm makes z blind to the scale of y


def test_joint_embedding_is_projector_after_encoder():
    net = JointEmbedding(ConvNet(widths=(8, 16)), (12, 6)).eval()
    x = images()
    assert torch.equal(net(x), net.projector(net.encoder(x)))
    assert net(x).shape == (2, 6)
