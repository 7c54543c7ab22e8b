"""Images as one uint8 tensor: `load(name, split)` for rendered sets, digits, MNIST, CIFAR-10 and folders of images."""

import os
from pathlib import Path

from .dataset import Dataset, binarise, to_float
from .folder import load_folder
from .real import digits, from_torchvision
from .shapes import PALETTE, coloured_shapes, shapes10

__all__ = ["NAMES", "PALETTE", "Dataset", "binarise", "data_root", "load", "repository", "to_float"]
NAMES = ("shapes10", "coloured_shapes", "digits", "mnist", "cifar10")


def repository() -> Path:
    """The course's folder: the nearest parent with src/latentlab; else this package's checkout; else ./latentlab."""
    here = Path.cwd()
    for folder in [here, *here.parents, *Path(__file__).resolve().parents[3:4], here / "latentlab"]:
        if (folder / "src" / "latentlab").is_dir():
            return folder
    return here


def data_root() -> Path:
    """Where data lives: $LATENTLAB_DATA, else the nearest `data/` from here upwards, else `./data`."""
    if os.environ.get("LATENTLAB_DATA"):
        return Path(os.environ["LATENTLAB_DATA"]).expanduser().resolve()
    here = Path.cwd()
    for folder in (parent / "data" for parent in (here, *here.parents)):
        if folder.is_dir() and not (folder / "__init__.py").exists():  # a Python package holds no data
            return folder
    return here / "data"


def load(
    name: str | Path, split: str = "train", *, n: int | None = None, seed: int = 0, download: bool | None = None,
    size: int | None = None,
) -> Dataset:  # fmt: skip
    """One dataset: images (n, c, h, w) uint8, labels (n,) int64, class names, checksum, known factors.

    name  one of NAMES, or the path of a folder of images (one folder per class), from here or from `data_root()`
    n  how many images: the first ones of a rendered set; of others a random sample with equal class shares
    seed  what is rendered or drawn
    download  fetch MNIST or CIFAR-10 when absent; the default is no, unless LATENTLAB_DOWNLOAD is 1 in the environment
    size  folders only: scale and crop to size × size

    Raises ValueError for a wrong argument or damaged data, FileNotFoundError for data that is not there,
    ConnectionError for a failed download, OSError for a full disk. Each says what to do.
    """
    root = data_root()
    if name not in NAMES:
        folders = [path for path in (Path(name).expanduser(), root / name) if path.is_dir()]
        if not folders:
            known = f"neither a dataset ({', '.join(NAMES)}) nor a folder here or in {root}"
            raise FileNotFoundError(f"{str(name)!r} is {known}. Give one of these, or a folder with one per class.")
        whole = load_folder(folders[0], split, root / "cache" / "decoded", size)
    elif size is not None:
        raise ValueError(f"size is for folders of images; {name} has a fixed size. Leave size out.")
    elif split not in ("train", "test"):
        raise ValueError(f"There is no split {split!r} of {name}: choose train or test.")
    elif name == "shapes10":
        return shapes10(split, n, seed)
    elif name == "coloured_shapes":
        whole = coloured_shapes(split, seed)
        return whole if n is None else whole.first(n)
    elif name == "digits":
        whole = digits(split)
    else:
        fetch = os.environ.get("LATENTLAB_DOWNLOAD") == "1" if download is None else download
        whole = from_torchvision(name, split, root, fetch)
    return whole if n is None else whole.sample(n, seed)
