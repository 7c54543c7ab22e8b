"""The autoencoder: shapes, its mirror image, its errors in words, its loss, and the sweep that trains many."""

from dataclasses import replace

import pytest
import torch

from latentlab.data import Dataset, load
from latentlab.losses import reconstruction_error, squared_error
from latentlab.models import Autoencoder
from latentlab.recipes.autoencoder import sweep as autoencoder
from latentlab.recipes.autoencoder.measures import jacobian_rank, learning
from latentlab.training import checksum
from latentlab.training import many as pool


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(("size", "channels"), [(28, 1), (8, 1), (32, 3), (29, 1)])
def test_reconstructions_have_the_shape_of_their_images(depth, size, channels):
    network = Autoencoder(7, channels=channels, size=size, depth=depth, width=4)
    x = torch.rand(3, channels, size, size)
    z = network.encode(x)
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


def test_without_activation_the_encoder_is_affine_and_with_one_it_is_not():
    a, b = torch.rand(2, 4, 1, 28, 28)
    for activation, affine in (("none", True), ("relu", False), ("tanh", False)):
        encode = autoencoder.build(autoencoder.Model(6, activation=activation)).encode
        halfway = (encode(a) + encode(b)) / 2
        assert torch.allclose(encode((a + b) / 2), halfway, atol=1e-4) == affine


@pytest.mark.parametrize("depth", [1, 3, 5])
def test_the_signal_keeps_its_size_through_fresh_layers(depth):
    network = autoencoder.build(autoencoder.Model(50, depth=depth))
    x = load("digits", "test").images[:200].float() / 255
    assert 0.2 < network.encode(x).std() < 8
    assert 0.02 < network(x).mean() < 0.4  # about as dark as the digits


def test_no_code_can_carry_more_directions_than_it_has_numbers():
    image = load("digits", "test").images[0]
    network = autoencoder.build(autoencoder.Model(4))
    run = autoencoder.Run(autoencoder.Model(4), network.eval(), None)
    assert jacobian_rank(run, image) == 4


# ---- errors for people ----


@pytest.mark.parametrize("dim", [0, -3])
def test_a_code_without_numbers_is_refused(dim):
    with pytest.raises(ValueError, match="choose dim ≥ 1"):
        Autoencoder(dim)


def test_a_code_larger_than_the_image_is_refused_unless_asked_for():
    with pytest.raises(ValueError, match=r"785 numbers for an image of 784 .*choose dim ≤ 784"):
        Autoencoder(785)
    assert Autoencoder(784).dim == 784
    assert Autoencoder(785, wide=True).encode(torch.rand(2, 1, 28, 28)).shape == (2, 785)


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
    flat = Dataset("flat", "train", torch.zeros(8, 1, 28, 20, dtype=torch.uint8), torch.zeros(8, dtype=torch.int64), ("0",))
    with pytest.raises(ValueError, match="square images"):
        autoencoder.train(autoencoder.Model(5), autoencoder.PRESETS["quick"], train=flat, test=flat, show=False)


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

QUICK = autoencoder.PRESETS["quick"]
SMALL = replace(QUICK, budget=replace(QUICK.budget, epochs=2, batch=32), ranges=((3, 6),), extra=())


@pytest.fixture(scope="module")
def digits():
    return load("digits", "train").first(256), load("digits", "test").first(100)


def test_training_beats_the_mean_image_and_repeats_itself(digits):
    train, test = digits
    settings = replace(SMALL, budget=replace(SMALL.budget, epochs=12))
    runs = [
        autoencoder.train(autoencoder.Model(10, seed=s), settings, train=train, test=test, show=False) for s in (0, 0, 1)
    ]
    mean = (test.images.float() / 255 - (train.images.float() / 255).mean(0)).square().mean()
    assert runs[0].test_error < 0.8 * mean
    assert checksum(runs[0].network) == checksum(runs[1].network) != checksum(runs[2].network)
    assert len(runs[0].train_epochs) == 12 and runs[0].train_epochs[-1] < runs[0].train_epochs[0]
    seen = learning(runs[0], points=10)
    assert seen["test"] == runs[0].test_error and len(seen["curve"]["loss"]) == 10
    assert sum(runs[0].train_epochs) / 12 == pytest.approx(sum(runs[0].history.batches["loss"]) / runs[0].history.steps)


def test_models_of_one_seed_see_the_same_batches(digits):
    train, test = digits
    seen = {}

    class Spy(autoencoder.AutoencoderTask):
        def terms(self, indices, generator):
            seen.setdefault(self.module.dim, []).append(indices)
            return super().terms(indices, generator)

    for dim in (3, 6):
        network = autoencoder.build(autoencoder.Model(dim))
        autoencoder.fit(Spy(network, train, test), SMALL.budget, seed=0, show=False)
    assert torch.equal(torch.stack(seen[3]), torch.stack(seen[6]))


def test_many_at_once_equal_one_after_the_other():
    """Two processes with one thread each give the weights that this process gives alone."""
    settings = replace(SMALL, budget=replace(SMALL.budget, epochs=1, batch=256))
    models = settings.sweep()[:2]
    many = autoencoder.train_all(models, settings, show=False)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    alone = autoencoder.train(models[1], settings, show=False)
    torch.set_num_threads(threads)
    assert list(many) == models
    assert checksum(many[models[1]].network) == checksum(alone.network)
    assert many[models[1]].history.batches["loss"] == alone.history.batches["loss"]


def test_finished_models_are_kept_and_damaged_ones_trained_again(tmp_path, monkeypatch, digits):
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path))
    monkeypatch.setattr(autoencoder, "splits", lambda name: digits)
    settings = replace(SMALL, keep=True)
    model = autoencoder.Model(3)
    first = autoencoder._trained_state(model, settings, "cpu")
    (path,) = (tmp_path / "cache" / "autoencoders").iterdir()
    monkeypatch.setattr(autoencoder, "fit", None)  # a second training would fail
    again = autoencoder._trained_state(model, settings, "cpu")
    assert all(torch.equal(first["network"][name], again["network"][name]) for name in first["network"])
    monkeypatch.undo()
    monkeypatch.setenv("LATENTLAB_DATA", str(tmp_path))
    monkeypatch.setattr(autoencoder, "splits", lambda name: digits)
    path.write_bytes(path.read_bytes()[:-5])
    third = autoencoder._trained_state(model, settings, "cpu")
    assert third["history"]["batches"] == first["history"]["batches"]
    other = replace(settings, budget=replace(settings.budget, epochs=1))
    assert autoencoder._kept(model, other) != path != autoencoder._kept(replace(model, seed=1), settings)


def test_pool_keeps_the_order_and_passes_errors_on():
    assert pool.in_parallel(abs, [(-3,), (2,), (-1,)], title="", show=False) == [3, 2, 1]
    assert pool.in_parallel(divmod, [(7, 2)], title="", device="meta", show=False) == [(3, 1)]
    with pytest.raises(ZeroDivisionError):
        pool.in_parallel(divmod, [(1, 1), (1, 0)], title="", show=False)


def test_presets_say_what_the_notebook_needs():
    quick, full = autoencoder.PRESETS["quick"], autoencoder.PRESETS["cpu"]
    assert quick.data == "digits" and full.data == "mnist"
    report = {*range(5, 15), *range(50, 56), *range(100, 105), 3, 15, 40, 90}
    assert report <= set(full.dims)
    assert len(full.seeds) >= 2 and len(full.depths) >= 4 and len(full.activations) >= 2
    assert set(full.path_dims) <= set(full.dims) and set(quick.path_dims) <= set(quick.dims)
    assert autoencoder.Model(full.depth_dim) in full.sweep()
