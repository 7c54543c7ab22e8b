"""Images decoded once into a file that is mapped into memory: complete or absent, never half-written.

`<name>.npy` holds the images, `<name>.json` says from what they were made and their checksum, `<name>.lock` makes a
second process wait while the first decodes. The operating system frees the lock of a process that is killed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .dataset import checksum

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
Blocks = Callable[[], Iterator[np.ndarray]]


def cached(target: Path, fingerprint: str, labels: Tensor, blocks: Blocks) -> tuple[Tensor, str]:
    """Images (n, c, h, w) uint8 mapped from `target`, and the checksum over images and `labels` (n,).

    Made from `blocks()`, which yields (b, c, h, w) uint8 arrays in order, when the file is absent, damaged or of another
    `fingerprint`. Another process that asks meanwhile waits. Raises OSError when the disk is full, and what `blocks` raises.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = open(target.with_suffix(".lock"), "ab")  # noqa: SIM115
    except OSError as error:
        if error.errno in FULL:
            raise _full(target) from error
        if error.errno not in READ_ONLY:
            raise
        return _read(target, fingerprint, labels) or _in_memory(target, labels, blocks)
    with lock, _held(lock) as alone:
        found = _read(target, fingerprint, labels)
        if found is None:
            if alone:
                for leftover in target.parent.glob(f"{target.stem}.*.tmp"):  # of a process that was killed
                    leftover.unlink(missing_ok=True)
            _write(target, fingerprint, labels, blocks)
            found = _read(target, fingerprint, labels)
    if found is None:
        raise OSError(f"The cache {target} cannot be read back after it was written. Check the disk, or set LATENTLAB_DATA.")
    return found


def _read(target: Path, fingerprint: str, labels: Tensor) -> tuple[Tensor, str] | None:
    """The cached images and their checksum, or None when they are absent, damaged, or made from something else."""
    try:
        about = json.loads(target.with_suffix(".json").read_text(encoding="utf-8"))
        if about["fingerprint"] != fingerprint:
            return None
        images = torch.from_numpy(np.load(target, mmap_mode="c", allow_pickle=False))  # "c": a change stays in this process
        return (images, about["checksum"]) if checksum(images, labels) == about["checksum"] else None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _write(target: Path, fingerprint: str, labels: Tensor, blocks: Blocks) -> None:
    """Write images, then the description. On a full disk a plain write raises; a write through a mapping kills the process."""
    temporary = target.with_name(f"{target.stem}.{os.getpid()}.tmp")
    description = temporary.with_suffix(".json.tmp")
    try:
        target.with_suffix(".json").unlink(missing_ok=True)
        with open(temporary, "wb") as file:
            written = 0
            for block in blocks():
                if written == 0:
                    header = {"descr": "|u1", "fortran_order": False, "shape": (len(labels), *block.shape[1:])}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(np.ascontiguousarray(block))
                written += len(block)
        images = torch.from_numpy(np.load(temporary, mmap_mode="c", allow_pickle=False))
        about = {"fingerprint": fingerprint, "checksum": checksum(images, labels), "shape": list(images.shape)}
        del images  # Windows renames no file that is mapped
        description.write_text(json.dumps(about, indent=1), encoding="utf-8")
        os.replace(temporary, target)
        os.replace(description, target.with_suffix(".json"))
    except OSError as error:
        if error.errno in FULL:
            raise _full(target) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)
        description.unlink(missing_ok=True)


def _in_memory(target: Path, labels: Tensor, blocks: Blocks) -> tuple[Tensor, str]:
    warnings.warn(
        f"{target.parent} cannot be written, so the images are decoded again each time. Set LATENTLAB_DATA to a folder that can.",
        stacklevel=2,
    )
    images = torch.from_numpy(np.concatenate(list(blocks())))
    return images, checksum(images, labels)


def _full(target: Path) -> OSError:
    return OSError(
        errno.ENOSPC,
        f"The disk is full: the images could not be stored in {target.parent}. Nothing half-written was left there. "
        "Free some space, or set LATENTLAB_DATA to a folder on another disk",
    )


@contextlib.contextmanager
def _held(file) -> Iterator[bool]:
    """Hold the operating system's lock on `file`; yields False where the file system knows no locks (then both decode)."""
    try:
        import fcntl

        take, free = lambda: fcntl.flock(file, fcntl.LOCK_EX), lambda: fcntl.flock(file, fcntl.LOCK_UN)
    except ImportError:  # Windows
        import msvcrt

        def take() -> None:
            while True:  # LK_LOCK itself gives up after ten seconds
                with contextlib.suppress(PermissionError, BlockingIOError):
                    file.seek(0)
                    return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

        def free() -> None:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

    try:
        take()
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        free()


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`: for work that two processes must not do at once, such as a download."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as file, _held(file):
        yield
