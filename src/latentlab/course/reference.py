"""Results of full runs: small JSON files with provenance under data/reference/."""

import dataclasses
import datetime
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from latentlab.data import repository
from latentlab.training import write_atomically


@dataclass(frozen=True)
class Reference:
    """One recorded result: `values` by name, the `settings` it was made with, and where it comes from."""

    name: str
    values: dict[str, Any]
    settings: dict[str, Any]
    provenance: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        if key not in self.values:
            raise KeyError(f"Reference {self.name!r} has no value {key!r}; it has {', '.join(self.values)}.")
        return self.values[key]

    def summary(self) -> str:
        """Where the numbers come from, in one line."""
        p, hardware = self.provenance, self.provenance["hardware"]
        words = [
            p["date"],
            f"commit {p['commit'][:8]}{' with changes' if p['dirty'] else ''}",
            "" if p["seed"] is None else f"seed {p['seed']}",
            ", ".join(f"{d['name']} {d['split']} ({d['checksum'][:8]})" for d in p["data"]),
            hardware["gpu"] or f"{hardware['cores']} cores of {hardware['cpu']}",
            f"torch {p['torch']}",
            "" if p["seconds"] is None else f"{p['seconds'] / 60:.1f} min",
        ]
        return " · ".join(filter(None, words))


def save_reference(
    name: str,
    values: Mapping[str, Any],
    *,
    settings: Any = None,
    data: Any = (),
    seed: int | None = None,
    seconds: float | None = None,
) -> Path:
    """Write `values` with provenance to data/reference/<name>.json, whole or not at all; returns the path.

    values: numbers, strings, lists and dicts of them (numpy and torch scalars and arrays too). settings: a dataclass or
    a dict. data: the data set, or several, that the numbers come from. seconds: wall time of the run.
    Raises ValueError for a bad name and for values that JSON cannot hold exactly, such as NaN.
    """
    target = _file(name)
    document = {
        "name": name,
        "values": dict(values),
        "settings": dataclasses.asdict(settings) if dataclasses.is_dataclass(settings) else dict(settings or {}),
        "provenance": provenance(data, seed, seconds),
    }
    try:
        text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    except ValueError as error:
        raise ValueError(f"Reference {name!r} holds NaN or infinity: a failed run is no reference.") from error
    write_atomically(target, text.encode())
    return target


def load_reference(name: str) -> Reference:
    """The recorded result `name`. Raises FileNotFoundError if there is none yet, ValueError if the file is damaged."""
    path = _file(name)
    if not path.exists():
        raise FileNotFoundError(f"No reference result {name!r} yet ({path}): run `make full` (13_…: `bench-cifar`).")
    try:
        return Reference(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged. Restore it with `git checkout {path}` or run `make full`.") from error


def provenance(data: Any, seed: int | None, seconds: float | None) -> dict[str, Any]:
    """Where a number comes from: commit, seed, data, hardware, versions, wall time, date (UTC)."""
    sets = data if isinstance(data, Sequence) else [data]
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _git("rev-parse", "HEAD") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "seed": seed,
        "data": [{"name": d.name, "split": d.split, "n": len(d), "checksum": d.checksum} for d in sets],
        "hardware": {
            "cpu": _cpu_model(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "torch": torch.__version__,
        "python": platform.python_version(),
        "seconds": None if seconds is None else round(float(seconds), 1),
    }


def _cpu_model() -> str:
    """The processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _file(name: str) -> Path:
    if not name or not all(c.isalnum() or c in "-_" for c in name):
        raise ValueError(f"{name!r} cannot name a reference: use letters, digits, - and _.")
    return repository() / "data" / "reference" / f"{name}.json"


def _git(*arguments: str) -> str:
    """Output of git in the repository; "" without git or repository."""
    try:
        done = subprocess.run(["git", *arguments], cwd=repository(), capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _plain(value: Any) -> Any:
    """numpy and torch values, paths and devices as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path | torch.device | torch.dtype):
        return str(value)
    kind = type(value).__name__
    raise TypeError(f"A reference result cannot hold a {kind}: {value!r}. Give numbers, texts, lists or dicts.")
