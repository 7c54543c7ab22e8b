"""Real data: scikit-learn's digits; MNIST and CIFAR-10, downloaded on request only, or a JPEG copy of CIFAR-10."""

import functools
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock

from .dataset import Dataset
from .folder import load_folder

DIGITS = tuple("0123456789")
HELD_OUT = 360  # test images of scikit-learn's 1,797 digits, with equal shares of every class
TORCHVISION = {  # the set's title, its folder, torchvision's class for it
    "mnist": ("MNIST", "MNIST", "MNIST"),
    "cifar10": ("CIFAR-10", "cifar-10-batches-py", "CIFAR10"),
}
QUICK = 'The quick profile needs no download: load("shapes10") and load("digits") always work.'


def enlarge(images: np.ndarray) -> np.ndarray:
    """Integers 0 … 16 (n, 8, 8) → uint8 (n, 28, 28): bilinear to 20×20, a margin of 4, 16 becomes 255; integers only.

    Point i of the 20 lies at (i + ½) · 8/20 - ½ = (4i - 3)/10 on the old grid; beyond the old edge all is black.
    """
    place = 4 * (np.arange(28) - 4) - 3  # in tenths of an old point
    weights = np.maximum(10 - abs(place[:, None] - 10 * np.arange(8)), 0)  # (28, 8)
    total = weights @ images @ weights.T  # (n, 28, 28), 0 … 16 · 100
    return ((total * 255 + 800) // 1600).astype(np.uint8)


@functools.lru_cache(maxsize=2)
def digits(split: str) -> Dataset:
    """scikit-learn's digits in the look of MNIST: images (n, 1, 28, 28) uint8, 1,437 and always the same 360."""
    from sklearn import datasets

    raw = datasets.load_digits()
    images = torch.from_numpy(enlarge(raw.images.astype(np.int64)))[:, None]  # (n, 1, 28, 28)
    whole = Dataset("digits", split, images, torch.from_numpy(raw.target.astype(np.int64)), DIGITS)
    return whole.holdout(HELD_OUT, seed=0)[split == "test"]


def from_torchvision(name: str, split: str, root: Path, download: bool) -> Dataset:
    """MNIST (n, 1, 28, 28) or CIFAR-10 (n, 3, 32, 32), uint8, from `<root>/cache` or `<root>`.

    Where CIFAR-10 is absent and `<root>/cache/cifar10/train/<class>/` holds images, these are used, under the name
    "CIFAR-10 (JPEG copy)". Raises FileNotFoundError when nothing is there and `download` is False, ConnectionError when
    the download fails, ValueError for damaged files.
    """
    title, inside, kind = TORCHVISION[name]
    cache = root / "cache"
    place = next((folder for folder in (cache, root) if (folder / inside).is_dir()), None)
    copy = next((folder for folder in (cache / name, root / name) if (folder / "train").is_dir()), None)
    if place is None and copy is not None and name == "cifar10":
        return load_folder(copy, split, cache / "decoded", name="CIFAR-10 (JPEG copy)")
    if place is None and not download:
        ways = "Use load(…, download=True) or --download, put its files there, or set LATENTLAB_DATA to where they are."
        raise FileNotFoundError(f"{title} is not in {cache / inside}. {ways} {QUICK}")
    from torchvision import datasets  # seconds, which nobody need wait before

    reader = getattr(datasets, kind)
    place = place or _download(cache, title, inside, reader)
    try:
        data = reader(str(place), train=split == "train")
    except Exception as error:  # torchvision's readers raise many kinds for damaged files, among them AssertionError
        said = f"The files in {place / inside} are incomplete or damaged ({type(error).__name__}: {error})."
        raise ValueError(f"{said} Delete that folder and load again with download=True. {QUICK}") from error
    labels = torch.as_tensor(data.targets, dtype=torch.int64)  # (n,)
    if name == "mnist":
        return Dataset(title, split, data.data[:, None], labels, DIGITS)
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()  # (n, 3, 32, 32)
    return Dataset(title, split, images, labels, tuple(data.classes))


def _download(cache: Path, title: str, inside: str, kind: type) -> Path:
    """Fetch into a temporary folder, then rename: all is there or nothing. A second process waits."""
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{inside}.lock"):
        if (cache / inside).is_dir():  # another process was faster
            return cache
        temporary = Path(tempfile.mkdtemp(prefix=f"{inside}.", dir=cache))
        try:
            kind(str(temporary), download=True)
            os.replace(temporary / inside, cache / inside)
        except (OSError, RuntimeError) as error:
            said = f"{title} could not be downloaded to {cache} ({error}), nothing was left there. Check the network"
            ways = f"and the free space and try again, or put the files in {cache / inside} by hand."
            raise ConnectionError(f"{said} {ways} {QUICK}") from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return cache
