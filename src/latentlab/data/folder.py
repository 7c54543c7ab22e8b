"""Bring your own images: a folder that holds `<split>/<class>/*.jpg` or `<class>/*.jpg`, the layout of ImageFolder."""

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


def load_folder(path: Path, split: str, store: Path, size: int | None = None, name: str = "") -> Dataset:
    """The images of a folder, (n, 3, h, w) uint8, in a fixed mixed order; decoded once into `store`.

    With train/ and test/ (or others) inside, `split` names one of them. With classes directly inside, "test" is every
    fifth image of each class and "train" the others. `size` scales the shorter side and crops the centre to a square.
    Raises FileNotFoundError for a missing split or image, and ValueError for an empty class, an image that cannot be
    decoded, and images of unequal sizes when `size` is None.
    """
    if size is not None and size < 1:
        raise ValueError(f"size must be at least 1 point, got {size}.")
    path = path.resolve()
    files, labels, classes = _listing(path, split)
    order = shuffled(len(files), seed=0)
    files, labels = [files[i] for i in order.tolist()], torch.tensor(labels)[order]  # (n,) int64
    digest = hashlib.sha256(b"1")  # 1: how images are decoded; count up when that changes
    for file in files:
        try:
            about = os.stat(file)  # a changed file has another size or time
        except OSError as error:
            raise FileNotFoundError(f"The image {file} is out of reach ({error.strerror}): restore it.") from error
        digest.update(f"\n{file.relative_to(path).as_posix()} {about.st_size} {about.st_mtime_ns}".encode())
    place = hashlib.sha256(f"{path} {split} {size}".encode()).hexdigest()[:12]
    target = store / f"{path.name}-{split}-{place}.npy"
    images = cached(target, digest.hexdigest(), labels, lambda: _decoded(files, size))
    return Dataset(name or path.name, split, images, labels, classes)


def _subfolders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith((".", "__")))


def _listing(path: Path, split: str) -> tuple[list[Path], list[int], tuple[str, ...]]:
    """Files of the split in name order, the class of each, and the names of the classes."""
    groups = _subfolders(path)
    has_splits = any(p.name == "train" and _subfolders(p) for p in groups)
    if has_splits:
        found = [p.name for p in groups]
        if split not in found:
            raise FileNotFoundError(f"{path} has no folder {split}/. Found: {', '.join(found)}. Pass one as split.")
        groups = _subfolders(path / split)
    elif split not in ("train", "test"):
        raise ValueError(f"{path} holds classes, not splits, so split must be train or test, not {split!r}.")
    if not groups:
        layout = "<folder>/train/<class>/*.jpg or <folder>/<class>/*.jpg"
        raise ValueError(f"{path / split if has_splits else path} has no folders inside. Expected {layout}.")
    files, labels = [], []
    for label, group in enumerate(groups):
        members = sorted(p for p in group.rglob("*") if p.suffix.lower() in ENDINGS and not p.name.startswith("."))
        if not members:
            raise ValueError(f"The class folder {group} holds no image ({', '.join(ENDINGS)}). Add some or remove it.")
        if not has_splits:
            if len(members) < 2:
                raise ValueError(f"The class folder {group} holds one image. It needs two: for training and for test.")
            mixed = [members[i] for i in shuffled(len(members), seed=0).tolist()]
            members = sorted(p for i, p in enumerate(mixed) if (i % HELD_OUT == 0) == (split == "test"))
        files += members
        labels += [label] * len(members)
    return files, labels, tuple(p.name for p in groups)


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
    first, broken = None, []  # first: the first good image, and its file
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), BLOCK):
            part = files[start : start + BLOCK]
            images = list(pool.map(_decode, part, [size] * len(part)))
            for file, image in zip(part, images, strict=True):
                if isinstance(image, Exception):
                    broken.append(f"{file} ({image})")
                    continue
                first = first or (file, image)
                if image.shape != first[1].shape:
                    sizes = " and ".join(f"{f} is {i.shape[1]}×{i.shape[0]}" for f, i in (first, (file, image)))
                    raise ValueError(f"The images differ in size: {sizes}. load(…, size=64) scales and crops all.")
            if not broken:
                yield np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))  # (b, 3, h, w)
    if broken:
        count = "One image" if len(broken) == 1 else f"{len(broken)} images"
        shown = "; ".join(broken[:5]) + (f"; and {len(broken) - 5} more" if len(broken) > 5 else "")
        raise ValueError(f"{count} of {len(files)} cannot be decoded: {shown}. Replace or remove them, load again.")
