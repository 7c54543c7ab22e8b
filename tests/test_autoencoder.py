"""The autoencoder: shapes, its mirror image, its errors in words, its loss, and the sweep that trains many."""

from dataclasses import replace

import pytest
import torch

from latentlab.data import Dataset, load
from latentlab.evaluation.learning import fluctuation
from latentlab.losses import reconstruction_error, squared_error
from latentlab.models import Autoencoder
from latentlab.recipes import contract
from latentlab.recipes.autoencoder import measures, sweep, transfer
from latentlab.training import checksum, load_weights
from latentlab.training import many as pool

QUICK = sweep.PRESETS["quick"]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (8, 1), (32, 3), (29, 1)])
def test_reconstructions_have_the_shape_of_their_images(depth, size, channels):
    network = Autoencoder(7, channels=channels, size=size, depth=depth, width=4)
    x = torch.rand(3, channels, size, size)
    z = network.encoder(x)
    y = network(x)
    assert z.shape == (3, 7) and y.shape == x.shape
    assert y.min() >= 0 and y.max() <= 1
    convolutions = [m for m in network.encoder if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == depth
    torch.testing.assert_close(network.decode(z), y)


def test_every_parameter_learns():
    network = Autoencoder(5, width=4)
    x = torch.rand(16, 1, 28, 28)
    reconstruction_error(network(x), x).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def fresh(**form):
    return sweep.build(sweep.Settings(**form), (1, 28, 28), 0)


def test_without_activation_the_encoder_is_affine_and_with_one_it_is_not():
    a, b = torch.rand(2, 4, 1, 28, 28)
    for activation, affine in (("none", True), ("relu", False), ("tanh", False)):
        encode = fresh(dim=6, activation=activation).encoder
        halfway = (encode(a) + encode(b)) / 2
        assert torch.allclose(encode((a + b) / 2), halfway, atol=1e-4) == affine


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_the_signal_keeps_its_size_through_fresh_layers(depth):
    network = fresh(dim=50, depth=depth)
    x = load("digits", "test").images[:200].float() / 255
    assert 0.2 < network.encoder(x).std() < 8
    assert 0.02 < network(x).mean() < 0.4  # about as dark as the digits


# ---- errors for people ----


@pytest.mark.parametrize("dim", [0, -3])
def test_a_code_without_numbers_is_refused(dim):
    with pytest.raises(ValueError, match="choose dim ≥ 1"):
        Autoencoder(dim)


def test_a_code_larger_than_the_image_is_refused_unless_asked_for():
    with pytest.raises(ValueError, match=r"785 numbers for an image of 784: choose dim ≤ 784"):
        Autoencoder(785)
    assert Autoencoder(784).dim == 784
    assert Autoencoder(785, wide=True).encoder(torch.rand(2, 1, 28, 28)).shape == (2, 785)


@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 28, 28), (1, 28, 28), (2, 784)])
def test_images_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match="built for images of 1×28×28"):
        Autoencoder(5)(torch.rand(shape))


def test_other_bad_input_is_refused_in_words():
    with pytest.raises(ValueError, match=r"takes codes \(b, 5\)"):
        Autoencoder(5).decode(torch.rand(2, 6))
    with pytest.raises(ValueError, match="choose relu, tanh, none"):
        Autoencoder(5, activation="gelu")
    with pytest.raises(ValueError, match="depth = 0"):
        Autoencoder(5, depth=0)
    with pytest.raises(ValueError, match="side 4"):
        Autoencoder(5, size=4)
    flat = Dataset(
        "flat", "train", torch.zeros(8, 1, 28, 20, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64), ("0",)
    )
    with pytest.raises(ValueError, match="square images"):
        sweep.run(QUICK, train=flat, test=flat, show=False)


# ---- the loss ----


def test_loss_is_the_mean_squared_error_per_pixel():
    x, y = torch.rand(2, 6, 1, 28, 28)
    torch.testing.assert_close(reconstruction_error(x, y), torch.nn.functional.mse_loss(x, y))
    torch.testing.assert_close(squared_error(x, y)[2], ((x[2] - y[2]) ** 2).sum() / 784)
    assert squared_error(x, y).shape == (6,)


def test_loss_refuses_to_compare_what_would_broadcast():
    with pytest.raises(ValueError, match="one shape"):
        reconstruction_error(torch.rand(4, 784), torch.rand(4, 1, 28, 28))
    with pytest.raises(ValueError, match="one shape"):
        reconstruction_error(torch.rand(0, 784), torch.rand(0, 784))


# ---- training ----

SMALL = replace(QUICK, budget=replace(QUICK.budget, epochs=2), dims=(3, 6))


@pytest.fixture(scope="module")
def digits():
    return load("digits", "train").first(256), load("digits", "test").first(100)


def test_training_beats_the_mean_image_and_repeats_itself(digits):
    train, test = digits
    settings = replace(QUICK, dim=10, budget=replace(QUICK.budget, epochs=12))
    runs = [sweep.run(settings, train=train, test=test, seed=s, show=False) for s in (0, 0, 1)]
    found = sweep.scores(runs[0].network, settings, train, test)
    assert found["PCA"] < found["mean image"] and found["test error per pixel"] < 0.8 * found["mean image"]
    assert found["test error per pixel"] == pytest.approx(runs[0].history.epochs["loss"][-1])
    assert checksum(runs[0].network) == checksum(runs[1].network) != checksum(runs[2].network)


def test_the_seed_orders_the_batches_too(digits):
    """Weights of one seed, trained in the order of another."""
    task = [sweep.ReconstructionTask(fresh(dim=3), *(sweep.pictures(part.images) for part in digits)) for _ in range(2)]
    runs = [contract.fitted(one, SMALL, seed=seed, show=False) for one, seed in zip(task, (0, 1), strict=True)]
    assert [run.seed for run in runs] == [0, 1] and checksum(runs[0].network) != checksum(runs[1].network)


def test_networks_of_one_seed_see_the_same_batches(digits):
    train, test = digits
    seen = {}

    pictures = [sweep.pictures(part.images) for part in (train, test)]

    class Spy(sweep.ReconstructionTask):
        def terms(self, indices, generator):
            seen.setdefault(self.module.dim, []).append(indices)
            return super().terms(indices, generator)

    for dim in (3, 6):
        contract.fitted(Spy(fresh(dim=dim), *pictures), SMALL, seed=0, show=False)
    assert torch.equal(torch.stack(seen[3]), torch.stack(seen[6]))


def test_many_at_once_equal_one_after_the_other(digits):
    """Two processes with one thread each give the weights of this process alone; equal variants are trained once."""
    train, test = digits
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    many = sweep.run_all(sweep.by_size(SMALL) | {"again": replace(SMALL, dim=6)}, (0, 1), train=train, test=test)
    assert (
        list(many) == ["3", "6", "again"] and [r.seed for r in many["3"]] == [0, 1] and many["again"][1] is many["6"][1]
    )
    torch.set_num_threads(1)
    alone = sweep.run(replace(SMALL, dim=6), train=train, test=test, seed=1, show=False)
    torch.set_num_threads(threads)
    assert checksum(many["6"][1].network) == checksum(alone.network)
    assert many["6"][1].history.batches["loss"] == alone.history.batches["loss"]


def test_a_run_on_disk_is_taken_up_and_read_again(tmp_path, digits):
    train, test = digits
    contract.begin(tmp_path, "autoencoder", SMALL, 2)
    done = sweep.run(SMALL, train=train, test=test, seed=2, folder=tmp_path, show=False)
    assert contract.finish(tmp_path, done) == checksum(done.network)
    assert checksum(contract.trained(tmp_path, (1, 28, 28))) == checksum(done.network)
    about = load_weights(tmp_path / "weights.safetensors", fresh())
    assert (about["seed"], about["data"]) == ("2", "digits") and float(about["minutes"]) < 5
    again = sweep.run(SMALL, train=train, test=test, seed=2, folder=tmp_path, resume=True, show=False)
    assert checksum(again.network) == checksum(done.network) and again.history.steps == done.history.steps


def test_a_row_of_measures_holds_what_the_notebook_reads(digits):
    train, test = digits
    settings = replace(SMALL, budget=replace(SMALL.budget, test_every=1))
    run = sweep.run(settings, train=train, test=test, show=False)
    judge = transfer.build(transfer.Settings(regime="from scratch"), (1, 28, 28), 0)
    ((row,),) = measures.measure_all({"15": [run]}, train, test, judge).values()
    tests, losses = run.history.epochs["loss"], run.history.batches["loss"]
    assert (row["first test error"], row["test error"]) == tuple(tests)
    assert row["fluctuation"] == fluctuation(losses[-8:])[0]
    assert row["training error"] == pytest.approx(sum(run.history.batches["loss"][-8:]) / 8)
    assert row["d"] == 15 and row["test error"] <= row["first test error"] and row["second pass"] > 0
    codes = sweep.codes(run.network, test.images)
    off = torch.corrcoef(codes.double().T)[~torch.eye(15, dtype=bool)]
    assert (row["mean |r|"], row["mean r²"]) == pytest.approx(
        (off.abs().mean().item(), off.square().mean().item()), rel=1e-4
    )
    assert row["norm"] == pytest.approx(torch.corrcoef(codes.double().T).norm().item(), rel=1e-4)
    back = sweep.reconstruct(run.network, test.images)
    assert back.shape == test.images.shape and sweep.error_on(run.network, test.images) == pytest.approx(
        row["test error"]
    )


def test_pool_keeps_the_order_and_passes_errors_on():
    assert pool.in_parallel(abs, [(-3,), (2,), (-1,)], title="") == [3, 2, 1]
    assert pool.in_parallel(divmod, [(7, 2)], title="", device="meta") == [(3, 1)]
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    assert pool.in_parallel(torch.get_num_threads, [(), ()], title="") == [1, 1]
    assert pool.in_parallel(torch.get_num_threads, [(), ()], title="", device="meta") == [2, 2]
    torch.set_num_threads(threads)
    with pytest.raises(ZeroDivisionError):
        pool.in_parallel(divmod, [(1, 1), (1, 0)], title="")


def test_presets_say_what_the_notebook_needs():
    full = sweep.PRESETS["cpu"]
    assert QUICK.data == "digits" and full.data == "mnist"
    assert {*range(5, 15), *range(50, 56), *range(100, 105), 3, 15, 40, 90} <= set(full.dims)
    assert len(full.seeds) >= 2 and len(full.depths) >= 4 and len(full.activations) >= 2
    assert set(QUICK.dims) <= set(full.dims) and QUICK.dim in QUICK.dims and full.dim in full.dims
    assert sweep.by_size(full)["1000"].wide and sweep.by_depth(full)["relu, 3"] == sweep.by_size(full)["15"]
