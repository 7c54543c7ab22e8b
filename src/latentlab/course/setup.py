"""The first cell of every notebook: profile, device, seed and plot style in one line."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from latentlab.plots import use_style
from latentlab.recipes.contract import preset

from . import install
from .reference import save_reference

PROFILES = ("quick", "full")


@dataclass(frozen=True)
class Course:
    """What a notebook needs to know about this run. Notebooks ask it for settings and never branch on the profile."""

    profile: str  # "quick" or "full"
    device: torch.device
    seed: int

    @property
    def preset(self) -> str:
        """The name of the recipes' preset for this profile: "quick"; or "gpu" or "cpu" in the full profile."""
        if self.profile == "quick":
            return "quick"
        return "cpu" if self.device.type == "cpu" else "gpu"

    def settings(self, name: str) -> Any:
        """The settings of recipe `name` for this profile. Raises ValueError if there is no such recipe or preset."""
        return preset(name, self.preset)

    def generator(self, offset: int = 0) -> torch.Generator:
        """A fresh CPU generator seeded with seed + offset: the same numbers every time the cell runs."""
        return torch.Generator().manual_seed(self.seed + offset)

    def record(self, name: str, values: Mapping[str, Any], **provenance: Any) -> None:
        """In the full profile, save `values` as reference result `name`; see `save_reference`."""
        if self.profile == "full":
            save_reference(name, values, seed=self.seed, **provenance)


def setup(seed: int = 0) -> Course:
    """Set the course up and say so in one line.

    The profile comes from LATENTLAB_PROFILE (quick or full; default quick), the device from LATENTLAB_DEVICE (default:
    cuda if there is one, else cpu). Nothing global is seeded. In Colab what is missing is installed first, never torch.
    Raises ValueError for an unknown profile or an unusable device.
    """
    if "google.colab" in sys.modules:
        install.install_missing()
    use_style()
    course = Course(profile_from_environment(), _device_from_environment(), seed)
    print(f"latentlab · profile {course.profile} · device {course.device.type} · seed {course.seed}")
    return course


def profile_from_environment() -> str:
    """LATENTLAB_PROFILE, checked."""
    profile = os.environ.get("LATENTLAB_PROFILE", "").strip() or "quick"
    if profile not in PROFILES:
        raise ValueError(f"LATENTLAB_PROFILE is {profile!r}; it must be 'quick' (embedded data) or 'full' (real data).")
    return profile


def _device_from_environment() -> torch.device:
    """LATENTLAB_DEVICE, checked; without it cuda if available, else cpu."""
    name = os.environ.get("LATENTLAB_DEVICE", "").strip() or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"LATENTLAB_DEVICE is {name!r}, which torch cannot use. Try 'cpu', or unset it.") from error
