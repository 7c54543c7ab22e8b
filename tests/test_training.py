"""The loop: budgets, history, resume to the same bits, honest stops; and files that are whole or absent."""

import os
import random
import time
from dataclasses import replace

import pytest
import torch

from killing import kill
from latentlab.data import load
from latentlab.models import ConvNet
from latentlab.recipes.vicreg import pretraining as vicreg
from latentlab.training import (
    Budget,
    CheckpointError,
    TrainingDiverged,
    checksum,
    fit,
    generator_for,
    load_weights,
    save_weights,
    warmup_cosine,
)
from latentlab.training.checkpoint import load_checkpoint, save_checkpoint
from latentlab.training.machine import fast_bfloat16
from latentlab.training.optimiser import Muon, orthogonalise

TINY = replace(vicreg.PRESETS["quick"], widths=(8, 16), projector=(16, 16), test_images=64)
SHORT = Budget(epochs=2, batch=32, checkpoint_every=1e9)


def data():
    return {"train": load("shapes10", "train", n=256), "test": load("shapes10", "test", n=64)}


def tiny_run(**options):
    budget = options.pop("budget", SHORT)
    return vicreg.run(replace(TINY, budget=budget), **data(), show=False, **options)


class Line:
    """A task with one weight: loss = (w − 3)², so that every number of the loop can be checked."""

    def __init__(self, poison_at: int | None = None):
        self.module = torch.nn.Linear(1, 1, bias=False)
        self.samples, self.seen, self.poison_at = 64, [], poison_at

    def terms(self, indices, generator):
        self.seen.append(indices.tolist())
        square = (self.module.weight.sum() - 3) ** 2
        extra = torch.tensor(float("inf")) if len(self.seen) == self.poison_at else torch.zeros(())
        return {"loss": square + extra, "square": square, "extra": extra}

    def test_terms(self, generator):
        return {"square": (self.module.weight.sum() - 3) ** 2}


def test_every_epoch_visits_every_sample_once_in_a_new_order():
    task = Line()
    history = fit(task, Budget(epochs=3, batch=16, precision="float32"), show=False)
    epochs = [sum(task.seen[e * 4 : e * 4 + 4], []) for e in range(3)]
    assert all(sorted(order) == list(range(64)) for order in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert history.steps == 12
    assert history.batches["samples"] == [16 * (i + 1) for i in range(12)]
    assert history.epochs["epoch"] == [1.0, 2.0, 3.0]
    assert history.epochs["square"][-1] < history.batches["square"][0]


def test_a_budget_in_minutes_ends_in_time_and_reaches_the_end_of_the_schedule():
    task, started = Line(), time.perf_counter()
    history = fit(
        task, Budget(epochs=None, minutes=0.02, batch=16, learning_rate=0.05, precision="float32"), show=False
    )
    assert time.perf_counter() - started < 10
    assert 1.2 <= history.seconds < 3
    assert abs(task.module.weight.item() - 3) < 0.05


def test_after_epoch_sees_the_training_time():
    seen = []
    fit(Line(), Budget(epochs=3, batch=16), show=False, after_epoch=seen.append)
    assert len(seen) == 3
    assert seen == sorted(seen)


def test_a_term_that_stops_being_finite_stops_training_and_is_named():
    with pytest.raises(TrainingDiverged, match=r"step 7: loss, extra is not"):
        fit(Line(poison_at=7), Budget(epochs=3, batch=16), show=False)


@pytest.mark.parametrize("wrong", [{"epochs": 1, "minutes": 1}, {"epochs": None}, {"epochs": -1}, {"batch": 1}])
def test_impossible_budgets_are_refused(wrong):
    with pytest.raises(ValueError, match="[Bb]udget"):
        Budget(**wrong)


def test_more_batch_than_samples_is_explained():
    with pytest.raises(ValueError, match="there are 64"):
        fit(Line(), Budget(batch=100), show=False)


def test_the_schedule_rises_then_falls_to_zero():
    values = [warmup_cosine(i / 100, 0.1) for i in range(101)]
    assert values[0] == 0.0 and values[10] == 1.0 and values[100] == pytest.approx(0.0)
    assert values[:11] == sorted(values[:11]) and values[10:] == sorted(values[10:], reverse=True)
    with pytest.raises(ValueError, match="1.2"):
        warmup_cosine(1.2)


def test_generators_depend_on_seed_and_place_only():
    draw = lambda *place: torch.rand(3, generator=generator_for(*place)).tolist()  # noqa: E731
    assert draw(0, 1, 2) == draw(0, 1, 2)
    assert len({tuple(draw(*p)) for p in [(0, 1, 2), (1, 1, 2), (0, 2, 1), (0, 1, 3), (0, 0, -1)]}) == 5


def test_same_seed_same_weights_other_seed_other_weights():
    first, again, other = tiny_run(seed=1), tiny_run(seed=1), tiny_run(seed=2)
    assert checksum(first.network) == checksum(again.network) != checksum(other.network)
    assert set(first.history.epochs) == {"epoch", "samples", "loss", "invariance", "variance", "covariance"}


def test_muon_steps_as_torchs_own_does_and_takes_convolutions_as_matrices():
    """torch.optim.Muon (torch ≥ 2.9) knows matrices only; its bfloat16 iteration sets the tolerance."""
    generator = torch.Generator().manual_seed(0)
    for shape in ((6, 10), (10, 6)):
        start, gradients = torch.randn(shape, generator=generator), torch.randn(3, *shape, generator=generator)
        ours, theirs, kernel = (torch.nn.Parameter(w.clone()) for w in (start, start, start.view(*shape[:1], -1, 2, 1)))
        optimisers = [
            Muon([ours]),
            torch.optim.Muon([theirs], lr=0.02, momentum=0.95, weight_decay=0.0),
            Muon([kernel]),
        ]
        for gradient in gradients:
            ours.grad, theirs.grad, kernel.grad = gradient.clone(), gradient.clone(), gradient.view_as(kernel).clone()
            for optimiser in optimisers:
                optimiser.step()
        assert torch.allclose(ours, theirs, atol=4e-3)  # a step is 0.02 per singular direction
        assert torch.allclose(ours.flatten(), kernel.flatten(), atol=1e-6)


@pytest.mark.parametrize("shape", [(24, 24), (16, 80), (80, 16)])
def test_orthogonalising_keeps_singular_vectors_in_every_shape(shape):
    """Long matrices are iterated on their small Gram matrix; all agree with the polynomial of the singular values."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    u, s, vh = torch.linalg.svd(matrix.double() / matrix.double().norm(), full_matrices=False)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    off = orthogonalise(matrix) - (u * s) @ vh
    assert off.abs().max() < (0.05 if fast_bfloat16() else 1e-4)


def test_orthogonalised_singular_values_are_near_one():
    matrix = torch.randn(20, 50, generator=torch.Generator().manual_seed(1))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert values.min() > 0.6 and values.max() < 1.3
    assert torch.linalg.svdvals(matrix).max() / torch.linalg.svdvals(matrix).min() > 3


def test_muon_trains_vectors_by_adam_and_resumes_from_its_state():
    net, twin = torch.nn.BatchNorm1d(4), torch.nn.BatchNorm1d(4)
    muon, adam = Muon(net.parameters(), adam_rate=0.1), torch.optim.Adam(twin.parameters(), lr=0.1)
    for step in range(4):
        for module, optimiser in ((net, muon), (twin, adam)):
            for parameter in module.parameters():
                parameter.grad = torch.arange(4.0) - step
            optimiser.step()
        if step == 1:
            state, muon = muon.state_dict(), Muon(net.parameters(), adam_rate=0.1)
            muon.load_state_dict(state)
    assert torch.allclose(net.weight, twin.weight, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_resume_equals_an_uninterrupted_run_with_either_optimiser(name, tmp_path):
    budget = replace(SHORT, epochs=4, optimiser=name)
    whole = tiny_run(budget=budget)

    def stop(network, seconds):
        if stop.epochs == 2:
            raise KeyboardInterrupt
        stop.epochs += 1

    stop.epochs = 0
    with pytest.raises(KeyboardInterrupt):
        tiny_run(budget=replace(budget, checkpoint_every=0.0), folder=tmp_path, after_epoch=stop)
    resumed = tiny_run(budget=budget, folder=tmp_path, resume=True)
    assert checksum(resumed.network) == checksum(whole.network)
    assert resumed.history.batches == whole.history.batches


def test_unknown_optimisers_are_named():
    with pytest.raises(ValueError, match="adamw"):
        fit(Line(), Budget(optimiser="sgd", batch=16), show=False)


def test_training_does_not_touch_the_global_generator():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny_run()
    assert torch.equal(torch.rand(3), expected)


KILLS = int(os.environ.get("LATENTLAB_KILLS", "3"))


def kept_run(folder, every=0.02):
    """Long enough to be killed so often, with checkpoints so frequent that some kills fall into the writing of one."""
    budget = replace(SHORT, epochs=10 * KILLS, checkpoint_every=every)
    return tiny_run(folder=folder, resume=(folder / "checkpoint.pt").exists(), budget=budget)


def test_killed_at_random_moments_a_run_resumes_to_the_same_weights(tmp_path):
    """More kills, and the checksums on the screen: LATENTLAB_KILLS=10 pytest tests/test_training.py -k killed -s"""
    torch.set_num_threads(1)
    expected, chance = checksum(kept_run(tmp_path / "whole", every=1e9).network), random.Random(0)
    for _ in range(KILLS):
        kill(kept_run, tmp_path / "killed", chance)
    resumed = checksum(kept_run(tmp_path / "killed", every=1e9).network)
    print(f"\n{KILLS} kills; uninterrupted {expected[:16]}, resumed {resumed[:16]}")
    assert resumed == expected
    assert [p.name for p in (tmp_path / "killed").iterdir()] == ["checkpoint.pt"]


def test_a_damaged_checkpoint_is_refused_and_kept(tmp_path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"weights": torch.arange(1000.0)})
    whole = path.read_bytes()
    assert torch.equal(load_checkpoint(path)["weights"], torch.arange(1000.0))
    for damaged in (whole[:-7], whole[:200], b"", whole[:500] + bytes([whole[500] ^ 1]) + whole[501:]):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)
        assert path.read_bytes() == damaged
    with pytest.raises(CheckpointError, match="no checkpoint"):
        load_checkpoint(tmp_path / "absent.pt")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"step": 1})
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_shared_weights_carry_their_checksum(tmp_path):
    path, net = tmp_path / "encoder.safetensors", ConvNet(widths=(8, 16))
    digest = save_weights(path, net, {"data": "shapes10"})
    other = ConvNet(widths=(8, 16))
    assert checksum(other) != digest
    assert load_weights(path, other) == {"data": "shapes10"}
    assert checksum(other) == digest
    with pytest.raises(CheckpointError, match="another model"):
        load_weights(path, ConvNet(widths=(8, 24)))
    raw = path.read_bytes()
    path.write_bytes(raw[:-5] + bytes([raw[-5] ^ 1]) + raw[-4:])
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(path, other)
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        load_weights(path, other)
    with pytest.raises(CheckpointError, match="no weights"):
        load_weights(tmp_path / "absent", other)
