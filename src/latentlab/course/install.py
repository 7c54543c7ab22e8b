"""Is this machine ready? In Colab: install what is missing, and never touch the torch that is there."""

import importlib
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from latentlab.data import repository

from . import render

KEPT = ("torch", "torchvision", "numpy")  # a hosted notebook's own builds, tuned to its GPU; never passed to pip


def requirements() -> list[Requirement]:
    """What latentlab needs here, without extras: from the checkout's pyproject.toml, else as it was installed."""
    project = repository() / "pyproject.toml"
    if project.exists():
        lines = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    else:
        lines = metadata.requires("latentlab") or []
    return [r for r in map(Requirement, lines) if r.marker is None or r.marker.evaluate({"extra": ""})]


def check_environment() -> bool:
    """Show in one line whether the course can run here; return whether it can.

    Folded, or printed outside of notebooks: a line per package, "torch ≥ 2.4: yes" or what to do.
    """
    faults = {"Python ≥ 3.11": "" if sys.version_info >= (3, 11) else "NO. Install a newer Python."}
    faults |= {f"{r.name} {r.specifier}".replace(">=", "≥ "): _fault(r) for r in requirements()}
    lines, ready = [f"{name}: {fault or 'yes'}" for name, fault in faults.items()], not any(faults.values())
    rows = "".join(f"<li>{render.escape(line)}</li>" for line in lines)
    summary = f"<summary>Is this machine ready? {'yes' if ready else 'NO: open this line'}</summary>"
    render.show("\n".join(lines), f"<details{'' if ready else ' open'}>{summary}<ul>{rows}</ul></details>")
    return ready


def _fault(requirement: Requirement) -> str:
    """Why a requirement is not met and what to do; "" if it is. Development builds, as hosted notebooks have, count."""
    version = _version(requirement.name)
    if version is None:
        return f"NO, it is missing. Install it: pip install '{requirement}'"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"NO, this is {version}. Get a newer one: pip install '{requirement}'"


def install_missing() -> list[str]:
    """Install what is missing and return it. What is KEPT is pinned exactly as it is, so that pip cannot replace it.

    Raises RuntimeError if torch, torchvision or numpy is absent, and if pip fails.
    """
    absent = [name for name in KEPT if _version(name) is None]
    if absent:
        raise RuntimeError(f"Install {' and '.join(absent)} first (https://pytorch.org): choose the build that fits.")
    todo = [f"{r.name}{r.specifier}" for r in requirements() if _version(r.name) is None]
    if not todo:
        return []
    with tempfile.TemporaryDirectory() as folder:
        pins = Path(folder, "constraints.txt")
        pins.write_text("".join(f"{name}=={_version(name)}\n" for name in KEPT), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        try:
            subprocess.run([*pip, "--constraint", str(pins), *todo], check=True)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"pip could not install {', '.join(todo)} beside torch {_version('torch')}.") from error
    importlib.invalidate_caches()
    return todo


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
