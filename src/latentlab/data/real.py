"""MNIST and CIFAR-10: torchvision's files, downloaded on request only; or a JPEG copy of CIFAR-10 as a folder of images."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import torch
import torchvision

from .cache import locked
from .dataset import Dataset
from .folder import load_folder

QUICK = 'The quick profile needs no download: load("shapes10") and load("digits") always work.'


def mnist(split: str, root: Path, download: bool = False) -> Dataset:
    """MNIST, images (n, 1, 28, 28) uint8, from `<root>/cache/MNIST/raw` or `<root>/MNIST/raw`.

    Raises FileNotFoundError when it is not there and `download` is False, ConnectionError when the download fails,
    ValueError for damaged files.
    """
    train = _train(split)
    place = _place(root, "MNIST", "MNIST", torchvision.datasets.MNIST, download)
    data = _open(torchvision.datasets.MNIST, place, train, place / "MNIST")
    return Dataset("MNIST", split, data.data[:, None], data.targets.to(torch.int64), tuple("0123456789"))


def cifar10(split: str, root: Path, download: bool = False) -> Dataset:
    """CIFAR-10, images (n, 3, 32, 32) uint8, from `cifar-10-batches-py` in `<root>/cache` or `<root>`.

    Where that is absent and `<root>/cache/cifar10/train/<class>/` holds images, these are used, under the name
    "CIFAR-10 (JPEG copy)". Raises as `mnist` does.
    """
    train = _train(split)
    if _found(root, "cifar-10-batches-py") is None:
        for copy in (root / "cache" / "cifar10", root / "cifar10"):
            if (copy / "train").is_dir():
                return load_folder(copy, split, store=root / "cache" / "decoded", name="CIFAR-10 (JPEG copy)")
    place = _place(root, "cifar-10-batches-py", "CIFAR-10", torchvision.datasets.CIFAR10, download)
    data = _open(torchvision.datasets.CIFAR10, place, train, place / "cifar-10-batches-py")
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()  # (n, 3, 32, 32)
    return Dataset("CIFAR-10", split, images, torch.tensor(data.targets, dtype=torch.int64), tuple(data.classes))


def _train(split: str) -> bool:
    if split not in ("train", "test"):
        raise ValueError(f"There is no split {split!r}: choose train or test.")
    return split == "train"


def _found(root: Path, inside: str) -> Path | None:
    return next((place for place in (root / "cache", root) if (place / inside).is_dir()), None)


def _place(root: Path, inside: str, name: str, kind: type, download: bool) -> Path:
    """The folder that torchvision calls root, after a download where that was asked for."""
    place = _found(root, inside)
    if place is None and download:
        place = _download(root / "cache", inside, name, kind)
    if place is None:
        raise FileNotFoundError(
            f"{name} is not in {root / 'cache' / inside}. Call load(…, download=True) where there is a network, or put its "
            f"files there by hand, or set LATENTLAB_DATA to the folder that has them. {QUICK}"
        )
    return place


def _download(cache: Path, inside: str, name: str, kind: type) -> Path:
    """Fetch into a temporary folder, then rename: the data is there completely or not at all. A second process waits."""
    with locked(cache / f"{inside}.lock"):
        if (cache / inside).is_dir():  # another process was faster
            return cache
        temporary = Path(tempfile.mkdtemp(prefix=f"{inside}.", dir=cache))
        try:
            kind(str(temporary), download=True)
            os.replace(temporary / inside, cache / inside)
        except (OSError, RuntimeError) as error:
            raise ConnectionError(
                f"{name} could not be downloaded to {cache} ({error}). Nothing half-written was left there. Check the "
                f"network and the free space and try again, or put the files in {cache / inside} by hand. {QUICK}"
            ) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return cache


def _open(kind: type, place: Path, train: bool, files: Path):
    try:
        return kind(str(place), train=train, download=False)
    except Exception as error:  # torchvision's readers raise many kinds for damaged files, among them AssertionError
        raise ValueError(
            f"The files in {files} are incomplete or damaged ({type(error).__name__}: {error}). Delete that folder and load "
            f"again with download=True. {QUICK}"
        ) from error
