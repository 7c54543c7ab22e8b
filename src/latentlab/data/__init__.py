"""Images as one uint8 tensor: `load(name, split)` for rendered sets, digits, MNIST, CIFAR-10 and folders of images."""

from __future__ import annotations

import os
from pathlib import Path

from .binary import binarise
from .dataset import Dataset, to_float
from .digits import load_digits
from .folder import load_folder
from .places import data_root, repository
from .real import cifar10, mnist
from .shapes import PALETTE, Shapes10, coloured_shapes, shapes10

__all__ = ["NAMES", "PALETTE", "Dataset", "Shapes10", "binarise", "data_root", "load", "repository", "to_float"]
NAMES = ("shapes10", "coloured_shapes", "digits", "mnist", "cifar10")


def load(
    name: str | Path,
    split: str = "train",
    *,
    n: int | None = None,
    seed: int = 0,
    root: str | Path | None = None,
    download: bool | None = None,
    size: int | None = None,
    settings: Shapes10 | None = None,
) -> Dataset:
    """One dataset: images (n, c, h, w) uint8, labels (n,) int64, class names, checksum, known factors.

    name  "shapes10", "coloured_shapes", "digits", "mnist", "cifar10", or the path of a folder of images (one folder per class)
    n  how many images; rendered sets make as many, others draw a random sample with equal class shares
    seed  what is rendered or drawn      root  see `data_root`      download  fetch MNIST or CIFAR-10 when absent;
        the default is no, unless the environment variable LATENTLAB_DOWNLOAD is 1
    size  folders only: scale and crop to size × size      settings  shapes10 only: how hard it is

    Raises ValueError for a wrong argument or damaged data, FileNotFoundError for data that is not there, ConnectionError
    for a failed download, OSError for a full disk. Each says what to do.
    """
    if download is None:
        download = os.environ.get("LATENTLAB_DOWNLOAD") == "1"
    known = isinstance(name, str) and name in NAMES
    if settings is not None and name != "shapes10":
        raise ValueError(f"settings describe shapes10; {name} has none. Leave settings out.")
    if size is not None and known:
        raise ValueError(f"size is for folders of images; {name} has a fixed size. Leave size out.")
    if name == "shapes10":
        return shapes10(split, n, seed, settings)
    if name == "coloured_shapes":
        return coloured_shapes(split, n, seed)
    home = data_root(root)
    if name == "digits":
        whole = load_digits(split)
    elif known:
        whole = (mnist if name == "mnist" else cifar10)(split, home, download)
    else:
        path = Path(name).expanduser()
        if not path.is_dir() and (home / path).is_dir():
            path = home / path
        if not path.is_dir():
            raise FileNotFoundError(
                f"{str(name)!r} is neither a dataset ({', '.join(NAMES)}) nor a folder here or in {home}. "
                "Give one of these names, or the path of a folder with one folder per class."
            )
        whole = load_folder(path, split, size=size, store=home / "cache" / "decoded")
    return whole if n is None else whole.sample(n, seed)
