"""The contract of the recipes: settings on disk, changes by name, presets, and what the noise hides."""

import json
from dataclasses import asdict, dataclass, field

import pytest
import torch

from latentlab.course import claim, verdicts
from latentlab.evaluation import Unresolved, ahead
from latentlab.recipes import RECIPES, contract
from latentlab.training import Budget


@dataclass(frozen=True)
class Settings:
    data: str = "digits"
    widths: tuple[int, ...] = (1, 2)
    pairs: tuple[tuple[int, int], ...] = ((1, 2), (3, 4))
    budget: Budget = field(default_factory=Budget)
    added: float = 0.5  # a field that older files lack


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_preset_survives_the_disk(name):
    for settings in contract.recipe(name).PRESETS.values():
        values = json.loads(json.dumps(asdict(settings)))
        assert contract.from_dict(type(settings), values) == settings


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_that_trains_offers_the_whole_contract(name):
    module = contract.recipe(name)
    if hasattr(module, "run"):
        assert {"quick", "cpu", "gpu"} <= set(module.PRESETS)
        assert callable(module.build) and callable(module.scores)


def test_an_older_file_has_the_default_of_a_newer_field():
    values = asdict(Settings(widths=(7,), added=0.5))
    del values["added"], values["budget"]["clip"]
    assert contract.from_dict(Settings, json.loads(json.dumps(values))) == Settings(widths=(7,))
    with pytest.raises(ValueError, match="Settings has no field removed; it has data"):
        contract.from_dict(Settings, values | {"removed": 1})


def test_settings_change_by_name():
    changed = contract.changed(Settings(), {"budget.clip": 1.0, "widths": (3,)})
    assert changed.budget.clip == 1.0 and changed.widths == (3,) and changed.data == "digits"
    for name in ("budget.speed", "speed", "data.x", "budget"):
        with pytest.raises(ValueError, match="There is no setting .*budget.batch"):
            contract.changed(Settings(), {name: 1})


def test_settings_inside_settings_inside_settings_change_by_name():
    settings = contract.changed(contract.preset("transfer", "quick"), {"pretraining.budget.epochs": 1, "labels": 20})
    assert settings.pretraining.budget.epochs == 1 and settings.labels == 20 and settings.pretraining.dim == 15


def test_a_folder_with_settings_or_a_checkpoint_holds_a_run(tmp_path):
    for name in ("settings.json", "checkpoint.pt"):
        (tmp_path / name[:3]).mkdir()
        (tmp_path / name[:3] / name).write_text("{}")
        with pytest.raises(FileExistsError, match="already holds a run"):
            contract.begin(tmp_path / name[:3], "autoencoder", Settings(), 0)


@pytest.mark.parametrize("name", ["autoencoder", "transfer", "simclr", "shapes-autoencoder"])
def test_fresh_weights_are_the_seeds_and_leave_the_global_generator_alone(name):
    module, before = contract.recipe(name), torch.get_rng_state()
    shape = (1, 28, 28) if name in ("autoencoder", "transfer") else (3, 64, 64)
    weights = [module.build(module.PRESETS["quick"], shape, seed).state_dict() for seed in (1, 1, 2)]
    assert torch.equal(torch.get_rng_state(), before)
    same = [all(torch.equal(a, b) for a, b in zip(weights[0].values(), w.values(), strict=True)) for w in weights]
    assert same == [True, True, False]


def test_a_damaged_or_unknown_run_is_a_sentence(tmp_path):
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        contract.read(tmp_path)
    (tmp_path / "settings.json").write_text('{"recipe": "vicreg", "seed": 0}')
    with pytest.raises(ValueError, match="damaged"):
        contract.read(tmp_path)
    with pytest.raises(ValueError, match="no recipe 'x'"):
        contract.recipe("x")
    with pytest.raises(ValueError, match=r"'eigenmaps' has no run\(\)"):
        contract.recipe("eigenmaps", needs="run")


def test_a_difference_is_true_false_or_hidden_by_the_noise():
    assert ahead([1.0, 2.0, 3.0], [0.1, 1.0, 2.1]) is True
    assert ahead([0.1, 1.0, 2.1], [1.0, 2.0, 3.0]) is False
    assert ahead([1.0, 2.0, 3.0], 1.9, by=-5) is True
    hidden = ahead([1.0, 2.0, 3.0], [1.1, 1.9, 3.0])
    assert isinstance(hidden, Unresolved) and "over 3 comparisons" in str(hidden)
    with pytest.raises(TypeError, match="Not resolved"):
        bool(hidden)
    with pytest.raises(ValueError, match="at least two seeds"):
        ahead([1.0], [0.0])


def test_what_the_noise_hides_is_unresolved_unless_the_rest_decides(capsys):
    hidden = ahead([1.0, 2.0, 3.0], [1.1, 1.9, 3.0])
    assert claim("C-0.1", parts={"a": True, "b": hidden}) == "unresolved"
    assert claim("C-0.1", parts={"a": False, "b": hidden}) == "refuted"
    assert claim("C-0.1", cases={"a": True, "b": hidden}) == "unresolved"
    assert claim("C-0.1", cases={"a": True, "b": hidden, "c": False}) == "depends"
    assert "within the noise: b" in capsys.readouterr().out
    with verdicts("Both"):
        claim("C-0.1", parts={"a": torch.tensor(True)})
        claim("C-0.2", parts={"a": False})
    said = capsys.readouterr().out
    assert said.startswith("Both\n") and said.count("C-0.") == 2
