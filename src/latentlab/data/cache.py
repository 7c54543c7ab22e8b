"""Images decoded once into a file that is mapped into memory: complete or absent, never half-written.

`<name>.npy` holds the images, `<name>.json` says from what they were made and their checksum, `<name>.lock` makes a
second process wait while the first decodes. The operating system frees the lock of a process that is killed.
"""

import errno
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from .dataset import checksum

UNUSABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOLCK, errno.EOPNOTSUPP)  # read-only, or without locks


def cached(target: Path, fingerprint: str, labels: Tensor, blocks: Callable[[], Iterator[np.ndarray]]) -> Tensor:
    """Images (n, c, h, w) uint8 mapped from `target`, for `labels` (n,).

    Made from `blocks()`, which yields (b, c, h, w) uint8 arrays in order, when the file is absent, damaged or of
    another `fingerprint`; who asks meanwhile waits. Raises OSError for a full disk, and what `blocks` raises.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            found = _read(target, fingerprint, labels)
            return _write(target, fingerprint, labels, blocks()) if found is None else found
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            said = f"The disk is full: the images could not be stored in {target.parent}, nothing was left there."
            way_out = "Free some space, or set LATENTLAB_DATA to a folder on another disk"
            raise OSError(errno.ENOSPC, f"{said} {way_out}") from error
        if error.errno not in UNUSABLE:
            raise
    found = _read(target, fingerprint, labels)
    if found is None:
        place = f"{target.parent} cannot be written or locked, so the images are decoded again each time."
        warnings.warn(f"{place} Set LATENTLAB_DATA to a folder that can.", stacklevel=2)
        found = torch.from_numpy(np.concatenate(list(blocks())))
    return found


def _read(target: Path, fingerprint: str, labels: Tensor) -> Tensor | None:
    """The cached images, or None when they are absent, damaged, or made from something else."""
    try:
        about = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        images = torch.from_numpy(np.load(target, mmap_mode="c"))  # "c": a change stays in this process
        return images if about == {"fingerprint": fingerprint, "checksum": checksum(images, labels)} else None
    except (OSError, ValueError, EOFError):
        return None


def _write(target: Path, fingerprint: str, labels: Tensor, blocks: Iterator[np.ndarray]) -> Tensor:
    """Images first, then their description. On a full disk a plain write raises; one through a mapping kills."""
    temporary = target.with_suffix(".tmp")
    try:
        with open(temporary, "wb") as file:
            for i, block in enumerate(blocks):
                if i == 0:
                    header = {"descr": "|u1", "fortran_order": False, "shape": (len(labels), *block.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(block))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    images = torch.from_numpy(np.load(target, mmap_mode="c"))
    about = {"fingerprint": fingerprint, "checksum": checksum(images, labels)}
    target.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
    return images
