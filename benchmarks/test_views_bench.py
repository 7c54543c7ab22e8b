"""How fast are two views of 256 CIFAR-like images on one core? Ours beside torchvision's, in one run, same recipe.

`make bench`, or `pytest benchmarks -s` for the summary line. The recipe is the preset "exercise". Both sides run as
they do in the training loop, with freed memory kept in the process (without it the page faults of a fresh batch cost
ours a third).
"""

import pytest
import torch
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from latentlab.augment import PRESETS
from latentlab.augment.colour import JITTERED
from latentlab.augment.geometry import RATIO, SIGMA
from latentlab.training.machine import reuse_memory

IMAGES = 256
VIEWS = PRESETS["exercise"]
SECONDS: dict[str, float] = {}  # median time of two views of all images


def recipe(package, to_tensor: list):
    """The preset's steps as torchvision's transforms, for one image."""
    return package.Compose(
        [
            package.RandomResizedCrop(VIEWS.size, VIEWS.scale, RATIO),
            package.RandomHorizontalFlip(VIEWS.flip),
            package.RandomApply([package.ColorJitter(*VIEWS.jitter)], JITTERED),
            package.RandomGrayscale(VIEWS.grey),
            package.RandomApply([package.GaussianBlur(3, SIGMA)], VIEWS.blur),
            *to_tensor,
        ]
    )


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Smooth coloured noise, as bytes: (256, 3, 32, 32)."""
    noise = torch.rand(IMAGES, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, size=32, mode="bicubic").clamp(0, 1).mul(255).to(torch.uint8)


def measure(benchmark, name: str, two_views, rounds: int) -> None:
    reuse_memory()
    benchmark.group = f"two views of {IMAGES} images, one core"
    first, second = benchmark.pedantic(two_views, rounds=rounds, warmup_rounds=1)
    assert first.shape == second.shape and first.shape[:2] == (IMAGES, 3)
    assert not torch.equal(first, second)
    SECONDS[name] = benchmark.stats.stats.median
    benchmark.extra_info["images/s"] = round(IMAGES / SECONDS[name])
    benchmark.extra_info["views/s"] = round(2 * IMAGES / SECONDS[name])


@pytest.mark.parametrize("preset", ["exercise", "cifar-cpu", "shapes"])
def test_latentlab(benchmark, images, preset):
    views, generator = PRESETS[preset], torch.Generator().manual_seed(0)
    name = f"latentlab {preset} {views.size}x{views.size}"
    measure(benchmark, name, lambda: (views(images, generator), views(images, generator)), rounds=40)


def test_torchvision_v1_pil(benchmark, images):
    pictures = [v1.functional.to_pil_image(image) for image in images]
    view = recipe(v1, [v1.ToTensor()])
    measure(
        benchmark,
        "torchvision v1 PIL 32x32",
        lambda: [torch.stack([view(p) for p in pictures]) for _ in "12"],
        rounds=5,
    )


def test_torchvision_v2_tensors(benchmark, images):
    view = recipe(v2, [v2.ToDtype(torch.float32, scale=True)])
    measure(
        benchmark,
        "torchvision v2 tensors 32x32",
        lambda: [torch.stack([view(i) for i in images]) for _ in "12"],
        rounds=5,
    )


def test_ten_times_torchvision(results, capsys):
    """Reads the times measured above: run the whole file."""
    ours, pil = SECONDS["latentlab exercise 32x32"], SECONDS["torchvision v1 PIL 32x32"]
    for peer in ("torchvision v1 PIL 32x32", "torchvision v2 tensors 32x32"):
        results.add(f"two views of {IMAGES} images, preset exercise", ours, SECONDS[peer], peer)
    with capsys.disabled():
        print(f"\nTwo views of {IMAGES} images, one core:")
        for name, seconds in SECONDS.items():
            rate = IMAGES / seconds
            print(f"  {name:30s} {rate:9,.0f} images/s  {2 * rate:9,.0f} views/s  {pil / seconds:6.1f} x PIL")
    assert pil / ours >= 10, (
        f"The preset 'exercise' is {pil / ours:.1f} times as fast as torchvision's PIL pipeline, not ten."
    )
