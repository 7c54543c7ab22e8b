"""What the machine can do: number formats, memory reuse. Each function is safe to call anywhere."""

import ctypes
import os
import platform
from functools import cache

import torch


@cache
def fast_bfloat16(device: str = "cpu") -> bool:
    """Whether `device` multiplies bfloat16 matrices in hardware (a GPU since 2020, or a CPU with AMX)."""
    if os.environ.get("LATENTLAB_BFLOAT16") == "0":  # to see an ordinary machine on a fast one
        return False
    if device == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return bool(probe and probe())


def autocast(precision: str, device: torch.device | str) -> torch.autocast:
    """The number format of a forward pass: "float32", "bfloat16", or "auto"; raises ValueError for another word."""
    kind = torch.device(device).type
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision is {precision!r}; choose 'auto', 'float32' or 'bfloat16'.")
    on = precision == "bfloat16" or (precision == "auto" and fast_bfloat16(kind))
    return torch.autocast(kind, torch.bfloat16, enabled=on)


@cache
def reuse_memory() -> None:
    """Keep freed memory in the process instead of giving it back after every step, where it can be set (glibc).

    By default glibc maps and unmaps large activations in every step, and the page faults cost a fifth of it on a CPU.
    The numbers are mallopt(3)'s M_MMAP_THRESHOLD and M_TRIM_THRESHOLD.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 1 << 30)
        libc.mallopt(-1, 2**31 - 1)
