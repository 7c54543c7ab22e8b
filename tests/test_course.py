"""The course layer beside its claims: set-up, Colab, reference results, exercises."""

import json
import os
import re
import subprocess
import sys
import types
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch

from latentlab import course
from latentlab.course import install, reference
from latentlab.course import setup as setup_call
from latentlab.recipes import RECIPES

# ---- set-up ----


@pytest.fixture
def environment(monkeypatch):
    """No course variables, whatever the caller's shell holds."""
    for name in ("LATENTLAB_PROFILE", "LATENTLAB_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    return monkeypatch


def test_setup_prints_one_line_and_seeds_nothing_global(environment, capsys):
    environment.setenv("LATENTLAB_DEVICE", "cpu")
    state = torch.random.get_rng_state()
    made = setup_call(seed=3)
    assert capsys.readouterr().out == "latentlab · profile quick · device cpu · seed 3\n"
    assert (made.profile, made.device, made.seed, made.preset) == ("quick", torch.device("cpu"), 3, "quick")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_generators_repeat_and_differ_by_seed_and_offset(environment):
    def draw(seed, offset=0):
        return torch.rand(4, generator=course.Course("quick", torch.device("cpu"), seed).generator(offset)).tolist()

    assert draw(0) == draw(0)
    assert draw(0) != draw(1) and draw(0) != draw(0, 1)


def test_a_wrong_profile_or_device_is_a_clear_error(environment):
    environment.setenv("LATENTLAB_PROFILE", "fast")
    with pytest.raises(ValueError, match="'fast'; it must be 'quick'"):
        setup_call()
    environment.setenv("LATENTLAB_PROFILE", "full")
    for name in ("gpu", "cpu:x", "cuda:99"):
        environment.setenv("LATENTLAB_DEVICE", name)
        with pytest.raises(ValueError, match=f"LATENTLAB_DEVICE is '{name}'"):
            setup_call()


@dataclass(frozen=True)
class Settings:
    data: str
    width: int = 4


def test_settings_come_from_the_recipe_of_that_name(environment):
    recipe = types.ModuleType("invented")
    recipe.PRESETS = {"quick": Settings("shapes10"), "cpu": Settings("cifar10"), "gpu": Settings("cifar10", 64)}
    environment.setitem(sys.modules, "invented", recipe)
    environment.setitem(RECIPES, "invented", "invented")
    chosen = {
        (profile, device): course.Course(profile, torch.device(device), 0).settings("invented")
        for profile in ("quick", "full")
        for device in ("cpu", "cuda")
    }
    assert chosen["quick", "cpu"] is chosen["quick", "cuda"] is recipe.PRESETS["quick"]
    assert chosen["full", "cpu"] is recipe.PRESETS["cpu"] and chosen["full", "cuda"] is recipe.PRESETS["gpu"]
    del recipe.PRESETS["quick"]
    with pytest.raises(ValueError, match="no preset 'quick'; it has cpu, gpu"):
        course.Course("quick", torch.device("cpu"), 0).settings("invented")


def test_an_unknown_recipe_is_named():
    with pytest.raises(ValueError, match="no recipe 'nonesuch'"):
        course.Course("quick", torch.device("cpu"), 0).settings("nonesuch")


# ---- Colab ----


@pytest.fixture
def pip(monkeypatch, tmp_path):
    """pip's calls and what it would have been held to; `need` says what latentlab needs."""
    seen = types.SimpleNamespace(calls=[], fails=False)

    def run(command, check):
        constraints = Path(command[command.index("--constraint") + 1])
        seen.calls.append((command, check, constraints.read_text(encoding="utf-8"), constraints))
        if seen.fails:
            raise subprocess.CalledProcessError(1, command)

    def need(*lines):
        (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = {list(lines)}")

    seen.need = need
    monkeypatch.setattr(install.subprocess, "run", run)
    monkeypatch.setattr(install, "repository", lambda: tmp_path)
    return seen


def test_requirements_without_a_checkout_are_those_of_the_installed_package_without_extras(monkeypatch, tmp_path):
    lines = ["numpy<1", "no-such-thing>=2", "other-thing; extra == 'test'", "old; python_version < '3'"]
    monkeypatch.setattr(install, "repository", lambda: tmp_path)
    monkeypatch.setattr(install.metadata, "requires", lambda name: lines if name == "latentlab" else None)
    assert [str(r) for r in install.requirements()] == lines[:2]


def test_an_absent_torchvision_is_never_installed_behind_your_back(pip, monkeypatch):
    known = install._version
    monkeypatch.setattr(install, "_version", lambda name: None if name == "torchvision" else known(name))
    pip.need("torchvision", "no-such-thing")
    with pytest.raises(RuntimeError, match=r"Install torchvision first \(https://pytorch.org\)"):
        install.install_missing()
    assert pip.calls == []


def test_install_pins_torch_and_passes_only_the_missing(pip):
    pip.need("torch>=99", "TorchVision>=9", "numpy<1", "pytest", "no-such-thing>=2", "old; python_version < '3'")
    assert install.install_missing() == ["no-such-thing>=2"]
    ((command, check, pins, file),) = pip.calls
    assert command[:4] == [sys.executable, "-m", "pip", "install"] and check
    assert [word for word in command[4:] if not word.startswith("-") and word != str(file)] == ["no-such-thing>=2"]
    assert "--upgrade" not in command and len(pins.splitlines()) == 3
    for name in ("torch", "torchvision", "numpy"):
        assert f"{name}=={metadata.version(name)}\n" in pins
    assert not file.exists()


def test_install_does_nothing_if_nothing_is_missing_and_explains_a_failure(pip):
    pip.need("pytest", "torch")
    assert install.install_missing() == [] and pip.calls == []
    pip.need("no-such-thing")
    pip.fails = True
    with pytest.raises(RuntimeError, match="could not install no-such-thing beside torch"):
        install.install_missing()


def test_setup_installs_in_colab_only(environment):
    calls = []
    environment.setattr(install, "install_missing", lambda: calls.append(1))
    setup_call()
    assert calls == []
    environment.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    setup_call()
    assert calls == [1]


# ---- reference results ----


class Data:
    name, split, checksum = "shapes10", "train", "ab" * 32

    def __len__(self):
        return 7


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the references lie."""
    monkeypatch.setattr(reference, "repository", lambda: tmp_path)
    return tmp_path / "data" / "reference"


def test_reference_comes_back_with_its_provenance(folder):
    values = {
        "probe": np.float64(70.5),
        "curve": torch.tensor([1.0, 0.5]),
        "n": np.int64(3),
        "name": "ü",
        "by": {"a": [1, 2.5]},
    }
    given = {"settings": Settings("cifar10"), "data": Data(), "seed": 4, "seconds": 90.04}
    path = course.save_reference("run-1", values, **given)
    back = course.load_reference("run-1")
    assert back.values == {"probe": 70.5, "curve": [1.0, 0.5], "n": 3, "name": "ü", "by": {"a": [1, 2.5]}}
    assert back["probe"] == 70.5 and back.settings == {"data": "cifar10", "width": 4}
    p = back.provenance
    assert p["data"] == [{"name": "shapes10", "split": "train", "n": 7, "checksum": "ab" * 32}]
    assert (p["seed"], p["seconds"], p["torch"]) == (4, 90.0, torch.__version__)
    assert p["hardware"]["cores"] >= 1 and p["hardware"]["cpu"] and re.fullmatch(r"\d{4}-\d\d-\d\d", p["date"])
    assert p["commit"] == "unknown" or re.fullmatch("[0-9a-f]{40}", p["commit"])
    assert "shapes10 train (abababab)" in back.summary() and "1.5 min" in back.summary()
    assert os.listdir(folder) == [path.name]
    with pytest.raises(KeyError, match="no value 'loss'; it has probe"):
        back["loss"]


def test_a_reference_names_the_commit_and_whether_it_was_changed(folder, monkeypatch):
    state = {"rev-parse": "0123456789", "status": " M a.py"}
    monkeypatch.setattr(reference, "_git", lambda command, *_: state[command])
    course.save_reference("run", {"a": 1})
    assert "commit 01234567 with changes" in course.load_reference("run").summary()
    state |= {"rev-parse": "", "status": ""}
    course.save_reference("run", {"a": 1})
    assert "commit unknown ·" in course.load_reference("run").summary()


def test_several_data_sets_and_none(folder):
    course.save_reference("two", {"a": 1}, data=[Data(), Data()])
    assert len(course.load_reference("two").provenance["data"]) == 2
    course.save_reference("none", {"a": 1})
    assert course.load_reference("none").provenance["data"] == []


def test_a_failed_save_leaves_the_old_file_and_nothing_else(folder):
    course.save_reference("run", {"a": 1})
    with pytest.raises(ValueError, match="NaN or infinity"):
        course.save_reference("run", {"a": float("nan")})
    with pytest.raises(TypeError, match="cannot hold a object"):
        course.save_reference("run", {"a": object()})
    with pytest.raises(ValueError, match="cannot name a reference"):
        course.save_reference("../run", {"a": 2})
    assert os.listdir(folder) == ["run.json"] and course.load_reference("run")["a"] == 1


def test_an_interrupted_write_leaves_nothing_half_written(folder, monkeypatch):
    course.save_reference("run", {"a": 1})

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(reference.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        course.save_reference("run", {"a": 2})
    assert os.listdir(folder) == ["run.json"] and course.load_reference("run")["a"] == 1


def test_missing_and_damaged_references_say_what_to_do(folder):
    with pytest.raises(FileNotFoundError, match="No reference result 'run' yet .*make full"):
        course.load_reference("run")
    folder.mkdir(parents=True)
    for text in ("{", "[]", json.dumps({"name": "run"})):
        (folder / "run.json").write_text(text)
        with pytest.raises(ValueError, match="is damaged.*make full"):
            course.load_reference("run")


def test_only_the_full_profile_records(folder):
    course.Course("quick", torch.device("cpu"), 5).record("run", {"a": 1})
    assert not folder.exists()
    course.Course("full", torch.device("cpu"), 5).record("run", {"a": 1}, seconds=3)
    assert course.load_reference("run").provenance["seed"] == 5
    assert (folder / "run.json").exists()
