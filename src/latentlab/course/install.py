"""In Colab: install what is missing, and never touch the torch that is there."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib import metadata

KEPT = ("torch", "torchvision", "numpy")  # a hosted notebook's own builds, tuned to its GPU; never passed to pip


def in_colab() -> bool:
    """Whether this runs in Google Colab."""
    return "google.colab" in sys.modules


def missing(requirements: Iterable[str] | None = None) -> list[str]:
    """The requirements (default: latentlab's, without extras) whose distribution is absent; never one of KEPT."""
    from packaging.requirements import Requirement

    wanted = map(Requirement, metadata.requires("latentlab") or [] if requirements is None else requirements)
    applicable = (r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""}))
    return [f"{r.name}{r.specifier}" for r in applicable if r.name.lower() not in KEPT and _version(r.name) is None]


def install_missing(requirements: Iterable[str] | None = None, runner: Callable[..., object] = subprocess.run) -> list[str]:
    """Install what is missing and return it. What is KEPT is pinned exactly as it is, so that pip cannot replace it.

    Raises RuntimeError if torch, torchvision or numpy is absent, and if pip fails.
    """
    absent = [name for name in KEPT if _version(name) is None]
    if absent:
        raise RuntimeError(f"Install {' and '.join(absent)} first (https://pytorch.org): which build fits is yours to choose.")
    todo = missing(requirements)
    if not todo:
        return []
    handle, constraints = tempfile.mkstemp(suffix=".txt")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.writelines(f"{name}=={_version(name)}\n" for name in KEPT)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        runner([*pip, "--constraint", constraints, *todo], check=True)
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"pip could not install {', '.join(todo)} beside torch {_version('torch')}.") from error
    finally:
        os.unlink(constraints)
    importlib.invalidate_caches()
    return todo


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
