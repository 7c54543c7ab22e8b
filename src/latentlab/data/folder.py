"""Bring your own images: any folder in ImageFolder layout, `<folder>/<split>/<class>/*.jpg` or `<folder>/<class>/*.jpg`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from .cache import cached
from .dataset import Dataset, shuffled

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
BLOCK = 256  # images decoded between two writes
HELD_OUT = 5  # where a folder has no splits, every fifth image of a class is for the test


def load_folder(path: Path, split: str = "train", *, size: int | None = None, store: Path, name: str | None = None) -> Dataset:
    """The images of a folder, (n, 3, h, w) uint8, in a fixed mixed order; decoded once into `store`.

    With train/ and test/ (or others) inside, `split` names one of them. With classes directly inside, "test" is every fifth
    image of each class and "train" the others. `size` scales the shorter side and crops the centre to size × size.
    Raises FileNotFoundError for a missing folder, split or image, and ValueError for an empty class, an image that cannot
    be decoded, and images of unequal sizes when `size` is None.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1 point, got {size}.")
    path = path.expanduser().resolve()
    files, labels, classes = _listing(path, split)
    order = shuffled(len(files), seed=0).tolist()
    files, labels = [files[i] for i in order], torch.tensor([labels[i] for i in order], dtype=torch.int64)
    digest = hashlib.sha256(f"1 {size}".encode())  # 1: how images are decoded; count up when that changes
    for file in files:
        digest.update(_stamp(file, path).encode())
    place = hashlib.sha256(f"{path} {split} {size}".encode()).hexdigest()[:12]
    target = store / f"{path.name}-{split}-{place}.npy"
    images, check = cached(target, digest.hexdigest(), labels, lambda: _decoded(files, size))
    return Dataset(name or path.name, split, images, labels, classes, check)


def _subfolders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _listing(path: Path, split: str) -> tuple[list[Path], list[int], tuple[str, ...]]:
    """Files of the split in name order, the class of each, and the names of the classes."""
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {path}. Give the path of a folder with one folder per class.")
    inside = _subfolders(path)
    if not inside:
        raise ValueError(f"{path} has no folders inside. Expected <folder>/train/<class>/*.jpg or <folder>/<class>/*.jpg.")
    has_splits = any(p.name == "train" and _subfolders(p) for p in inside)
    if has_splits:
        if split not in [p.name for p in inside]:
            found = ", ".join(p.name for p in inside)
            raise FileNotFoundError(f"{path} has no folder {split}/. Found: {found}. Pass one of these as split.")
        inside = _subfolders(path / split)
    elif split not in ("train", "test"):
        raise ValueError(f"{path} holds classes, not splits, so split must be train or test, not {split!r}.")
    files, labels = [], []
    for label, group in enumerate(inside):
        members = sorted(p for p in group.rglob("*") if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
        if not members:
            raise ValueError(f"The class folder {group} holds no image ({', '.join(ENDINGS)}). Add images or remove the folder.")
        if not has_splits:
            if len(members) < 2:
                raise ValueError(f"The class folder {group} holds one image. It needs two, one for training and one for test.")
            mixed = [members[i] for i in shuffled(len(members), seed=0).tolist()]
            members = sorted(mixed[::HELD_OUT] if split == "test" else [p for i, p in enumerate(mixed) if i % HELD_OUT])
        files += members
        labels += [label] * len(members)
    if not files:
        raise ValueError(f"{path / split} has no class folders. Expected {path / split}/<class>/*.jpg.")
    return files, labels, tuple(p.name for p in inside)


def _stamp(file: Path, path: Path) -> str:
    try:
        about = os.stat(file)
    except OSError as error:
        raise FileNotFoundError(f"The image {file} cannot be opened ({error.strerror}). Restore or remove it.") from error
    return f"\n{file.relative_to(path).as_posix()} {about.st_size} {about.st_mtime_ns}"


def _decode(file: Path, size: int | None) -> np.ndarray | Exception:
    """One image as (h, w, 3) uint8, upright as the camera's note says; or the error."""
    try:
        with Image.open(file) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
        if size is not None:
            upright = ImageOps.fit(upright, (size, size), method=Image.Resampling.BICUBIC)
        return np.asarray(upright)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many kinds for damaged files
        return error


def _decoded(files: list[Path], size: int | None) -> Iterator[np.ndarray]:
    """Blocks (b, 3, h, w) uint8 in the order of `files`. All damaged files are found before the error is raised."""
    first: tuple[Path, np.ndarray] | None = None
    broken: list[tuple[Path, Exception]] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), BLOCK):
            block = []
            for file, image in zip(files[start:], pool.map(_decode, files[start : start + BLOCK], [size] * BLOCK), strict=False):
                if isinstance(image, Exception):
                    broken.append((file, image))
                    continue
                first = first or (file, image)
                if image.shape != first[1].shape:
                    sizes = " and ".join(
                        f"{name} is {pixels.shape[1]}×{pixels.shape[0]}" for name, pixels in (first, (file, image))
                    )
                    raise ValueError(
                        f"The images differ in size: {sizes}. Pass size=, for example size=64, to scale and crop all to one size."
                    )
                block.append(image)
            if not broken:
                yield np.ascontiguousarray(np.stack(block).transpose(0, 3, 1, 2))  # (b, 3, h, w)
    if broken:
        shown = "; ".join(f"{file} ({error})" for file, error in broken[:5])
        count = "One image" if len(broken) == 1 else f"{len(broken)} images"
        more = f"; and {len(broken) - 5} more" if len(broken) > 5 else ""
        raise ValueError(f"{count} of {len(files)} cannot be decoded: {shown}{more}. Replace or remove them, then load again.")
