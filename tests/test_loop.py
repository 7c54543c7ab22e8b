"""Small wrong changes of the loop that a glance would miss: views, schedule, modes, players, files."""

import io
import math
import multiprocessing
import os
import pickle
import time
from types import SimpleNamespace

import IPython
import pytest
import torch
from torch import nn

from latentlab.training import (
    Budget,
    CheckpointError,
    Player,
    checksum,
    fit,
    load_weights,
    save_weights,
    write_atomically,
)
from latentlab.training.checkpoint import MAGIC, hashlib, load_checkpoint, save_checkpoint
from latentlab.training.machine import fast_bfloat16

QUICK = Budget(epochs=5, batch=16, precision="float32", weight_decay=0.0)


class Watch:
    """One weight that is pulled upwards for ever; notes what the loop does to it."""

    samples = 64

    def __init__(self):
        self.module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.Dropout(0.5))
        self.draws, self.weights, self.modes, self.seen, self.counter = [], [], [], [], 0

    def terms(self, indices, generator):
        self.seen.append(indices.tolist())
        self.draws.append(torch.rand((), generator=generator).item())
        self.weights.append(self.module[0].weight.item())
        self.counter += 1
        return {"loss": -self.module[0].weight.sum()}

    def test_terms(self, generator):
        self.modes.append(self.module.training)
        return {"draw": torch.rand((), generator=generator)}

    def state_dict(self):
        return {"counter": self.counter}

    def load_state_dict(self, state):
        self.counter = state["counter"]


def test_every_step_draws_anew_and_every_test_the_same():
    task = Watch()
    history = fit(task, QUICK, show=False)
    assert len(set(task.draws)) == 20
    assert len(set(history.epochs["draw"])) == 1 and task.modes == [False] * 5


def test_the_learning_rate_follows_the_schedule():
    task = Watch()
    fit(task, Budget(epochs=25, batch=16, precision="float32", weight_decay=0.0, warmup=0.2), show=False)
    steps = torch.tensor(task.weights).diff()
    assert steps[0] == 0  # warm-up begins at zero
    assert steps[20] > 3 * steps[2] and steps[20] > 10 * steps[-1] > 0


def test_the_test_interval_is_a_setting_of_its_own():
    for every, looks in ((0.5, 10), (2.0, 3), (1.0, 5)):  # after 5 epochs the last look is always taken
        task = Watch()
        fit(task, Budget(epochs=5, batch=16, test_every=every), show=False)
        assert len(task.modes) == looks
    with pytest.raises(ValueError, match="test_every and clip"):
        Budget(test_every=0)


class Steep(Watch):
    def terms(self, indices, generator):
        return {"loss": 1e6 * (self.module[0].weight.sum() - 3) ** 2}


def test_a_clipped_gradient_has_at_most_the_given_norm():
    norms = []
    task = Steep()
    task.module[0].weight.register_post_accumulate_grad_hook(lambda p: None)
    original = torch.optim.AdamW.step

    def noted(self, *a):
        norms.extend(p.grad.norm().item() for g in self.param_groups for p in g["params"])
        return original(self, *a)

    try:
        torch.optim.AdamW.step = noted
        fit(task, Budget(epochs=1, batch=16, clip=0.5), show=False)
        assert max(norms) == pytest.approx(0.5, rel=1e-3)
        fit(task, Budget(epochs=1, batch=16), show=False)
        assert max(norms) > 1e3
    finally:
        torch.optim.AdamW.step = original


class Duel:
    """Two players on one number each: the first runs after the second, the second away from the first."""

    samples = 64

    def __init__(self):
        self.module = nn.ModuleDict({"hunter": nn.Linear(1, 1, bias=False), "prey": nn.Linear(1, 1, bias=False)})
        for part, start in zip(self.module.values(), (0.0, 1.0), strict=True):
            nn.init.constant_(part.weight, start)
        self.turns = []
        hunter, prey = self.module["hunter"], self.module["prey"]

        def gap():
            return (hunter.weight - prey.weight).square().sum()

        self.players = (
            Player("hunter", hunter, lambda i, g: self._turn("hunter", gap(), g), 0.1),
            Player("prey", prey, lambda i, g: self._turn("prey", -gap(), g)),
        )

    def _turn(self, name, loss, generator):
        self.turns.append((name, torch.rand((), generator=generator).item()))
        return {"loss": loss, "gap": loss.abs()}

    def test_terms(self, generator):
        return {}


def test_players_take_turns_each_with_its_own_weights_and_rate():
    duel = Duel()
    history = fit(duel, QUICK, show=False)
    names = [name for name, _ in duel.turns]
    assert names == ["hunter", "prey"] * 20 and len({draw for _, draw in duel.turns}) == 40
    assert set(history.batches) == {"samples", "hunter loss", "hunter gap", "prey loss", "prey gap"}
    moved = {
        name: abs(part.weight.item() - start) for (name, part), start in zip(duel.module.items(), (0, 1), strict=True)
    }
    assert moved["hunter"] > 10 * moved["prey"] > 0  # a rate of 0.1 against the budget's 0.002


def test_players_and_a_task_s_own_state_survive_an_interruption(tmp_path):
    whole = Duel()
    fit(whole, QUICK, show=False)

    def stop(seconds):
        stop.epochs += 1
        if stop.epochs == 3:
            raise KeyboardInterrupt

    for kind in (Duel, Watch):
        stop.epochs, folder = 0, tmp_path / kind.__name__
        often = Budget(epochs=5, batch=16, precision="float32", weight_decay=0.0, checkpoint_every=0.0)
        with pytest.raises(KeyboardInterrupt):
            fit(kind(), often, show=False, folder=folder, after_epoch=stop)
        resumed = kind()
        history = fit(resumed, QUICK, show=False, folder=folder, resume=True)
        assert history.steps == 20
    assert resumed.counter == 20
    watch = Watch()
    fit(watch, QUICK, show=False)
    assert resumed.seen == watch.seen[11:]  # the last checkpoint is from step 11: step 12 ended in the interruption
    again = Duel()
    fit(again, QUICK, show=False, folder=tmp_path / "Duel", resume=True)
    assert checksum(again.module) == checksum(whole.module)


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    buffer = io.BytesIO()
    torch.save({"x": Bomb()}, buffer)
    payload = buffer.getvalue()
    (tmp_path / "c.pt").write_bytes(MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
    with pytest.raises((pickle.UnpicklingError, CheckpointError)):
        load_checkpoint(tmp_path / "c.pt")
    assert not (tmp_path / "exploded").exists()


def test_a_checkpoint_is_renamed_into_place_never_written_there(tmp_path):
    save_checkpoint(tmp_path / "c.pt", {"step": 1})
    os.link(tmp_path / "c.pt", tmp_path / "before")  # the same file by another name
    save_checkpoint(tmp_path / "c.pt", {"step": 2})
    assert load_checkpoint(tmp_path / "before")["step"] == 1 and load_checkpoint(tmp_path / "c.pt")["step"] == 2


def _write_often(path, letter):
    for _ in range(60):
        write_atomically(path, letter * 400_000)


def test_two_writers_at_once_never_leave_a_mixed_file(tmp_path):
    path, context = tmp_path / "f", multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(path, letter)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        if path.exists():
            assert set(path.read_bytes()) in ({ord("a")}, {ord("b")})
    assert [w.exitcode for w in writers] == [0, 0] and path.stat().st_size == 400_000
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_what_a_killed_writer_left_is_removed(tmp_path):
    (tmp_path / ".f.999999999.tmp").write_bytes(b"half")
    write_atomically(tmp_path / "f", b"whole")
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_the_bar_moves_in_the_terminal_and_leaves_one_fixed_text_in_a_notebook(capsys, monkeypatch):
    fit(Watch(), QUICK, title="walk")
    assert "walk 100%" in capsys.readouterr().err
    fit(Watch(), QUICK, show=False)
    seen = []
    handle = SimpleNamespace(update=lambda data, raw: seen.append(data["text/plain"]))
    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=1))
    monkeypatch.setattr("IPython.display.display", lambda data, **kw: (seen.append(data["text/plain"]), handle)[1])
    fit(Watch(), QUICK, title="walk")
    assert seen[0] == seen[-1] == "walk: done" and any("100%" in text and "loss" in text for text in seen)
    assert not capsys.readouterr().err


def test_what_cannot_be_done_is_said_before_training():
    for budget, words in ((Budget(batch=16, precision="half"), "choose 'auto'"), (Budget(batch=65), "there are 64")):
        with pytest.raises(ValueError, match=words):
            fit(Watch(), budget, show=False)
    with pytest.raises(ValueError, match="from which folder"):
        fit(Watch(), QUICK, resume=True, show=False)


def test_a_compiled_run_compiles_in_place_where_it_can(monkeypatch):
    for found, calls in (("/usr/bin/g++", 1), (None, 0)):
        task, seen = Watch(), []
        monkeypatch.setattr("shutil.which", lambda name, found=found: found)
        monkeypatch.setattr(nn.Module, "compile", lambda self, seen=seen: seen.append(self))
        fit(task, Budget(epochs=1, batch=16, compile=True), show=False)
        assert len(seen) == calls or torch.cuda.is_available()


def test_evaluation_does_not_count_as_training_time(tmp_path):
    history = fit(Watch(), QUICK, show=False, after_epoch=lambda seconds: time.sleep(0.2))
    assert history.seconds < 0.6 and history.batches["samples"][-1] == 320


def test_weights_kept_in_half_precision_keep_their_counters(tmp_path):
    norm = nn.BatchNorm1d(3)
    norm.weight.data.fill_(math.pi)
    norm.num_batches_tracked.fill_(70_001)
    save_weights(tmp_path / "w", norm, {}, dtype=torch.float16)
    load_weights(tmp_path / "w", twin := nn.BatchNorm1d(3))
    assert twin.num_batches_tracked == 70_001
    assert torch.equal(twin.weight, norm.weight.half().float()) and not torch.equal(twin.weight, norm.weight)


@pytest.mark.parametrize(("word", "half"), [("float32", False), ("bfloat16", True), ("auto", fast_bfloat16("cpu"))])
def test_the_budget_says_the_number_format(word, half):
    task, seen = Watch(), []
    task.terms = lambda i, g: {"loss": seen.append(torch.is_autocast_enabled("cpu")) or task.module[0].weight.sum()}
    task.test_terms = lambda g: {"on": torch.tensor(float(torch.is_autocast_enabled("cpu")))}
    history = fit(task, Budget(epochs=1, batch=16, precision=word), show=False)
    assert seen == [half] * 4 and history.epochs["on"] == [half]
