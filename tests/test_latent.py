"""Latent optimisation: what enters its losses, what its codes can and cannot do, and what they cost."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from latentlab.augment import Views
from latentlab.data import load, to_float
from latentlab.losses import VICRegWeights, vicreg
from latentlab.models.codes import CodeTable, Decoder
from latentlab.recipes.vicreg import latent
from latentlab.recipes.vicreg.ablations import whitener
from latentlab.training import Budget

N = 128
TINY = replace(
    latent.PRESETS["quick"],
    dim=8,
    width=8,
    stride=10.0,
    views=Views(8, scale=(0.5, 1.0), mix=1.0),
    budget=Budget(epochs=80, batch=64, learning_rate=5e-3, weight_decay=0.0, precision="float32"),
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    return load("shapes10", "train", n=N).images


@pytest.fixture(scope="module")
def run(images):
    """Every kind once."""
    return {kind: latent.optimise(kind, images, TINY, show=False) for kind in latent.KINDS}


# ---- views ---------------------------------------------------------


@pytest.mark.parametrize(
    "views", [Views(12), Views(16, scale=(0.8, 1), mix=1.0), Views(32, scale=(1, 1), flip=0.0, mix=0.3)]
)
def test_views_as_matrices_equal_the_views_of_the_course(views):
    """On colours near the middle grey, where nothing is clipped."""
    images = torch.randint(108, 148, (6, 3, 32, 32), generator=generator(), dtype=torch.uint8)
    matrices = latent.draw_views(views, images.shape, generator(7))
    ours = latent.apply_views(to_float(images) - 0.5, *matrices) + 0.5
    assert torch.allclose(ours, views(images, generator(7)), atol=1e-5)


def test_the_view_error_is_the_difference_of_the_two_views_and_can_be_differentiated():
    views = Views(10, scale=(0.4, 1.0), mix=1.0)
    matrices = tuple(m.double() for m in latent.draw_views(views, (3, 3, 16, 16), generator(1)))
    shift = torch.rand(3, 3, 1, 1, generator=generator(2), dtype=torch.float64)  # what an affine view adds

    def view(pictures):
        return latent.apply_views(pictures, *matrices) + shift

    x = torch.rand(3, 3, 16, 16, generator=generator(3), dtype=torch.float64)
    decoded = torch.rand(3, 3, 16, 16, generator=generator(4), dtype=torch.float64, requires_grad=True)
    direct = (view(decoded) - view(x)).square().mean()
    error = latent.view_error(decoded.float(), x.float(), tuple(m.float() for m in matrices))
    assert error.item() == pytest.approx(direct.item(), rel=1e-5)
    (wanted,) = torch.autograd.grad(direct, decoded)
    (got,) = torch.autograd.grad(error, decoded)
    assert torch.allclose(got, wanted, atol=1e-6) and got.abs().max() > 0
    assert latent.view_error(x.float(), x.float(), tuple(m.float() for m in matrices)) == 0


def test_grey_pictures_have_no_colours_to_mix():
    rows, columns, colours = latent.draw_views(Views(14, mix=1.0), (2, 1, 28, 28), generator())
    assert colours.tolist() == [[[1.0]], [[1.0]]] and rows.shape == columns.shape == (2, 14, 28)


@pytest.mark.parametrize("extra", [{"jitter": (0.4, 0.4, 0.2, 0.1)}, {"grey": 0.2}, {"blur": 0.5}])
def test_views_that_are_no_matrices_are_refused(extra):
    with pytest.raises(ValueError, match="Only crop, flip and colour mixing"):
        latent.draw_views(Views(16, **extra), (2, 3, 32, 32), generator())


# ---- free codes ----------------------------------------------------


def test_a_step_on_one_row_has_no_gradient_for_the_others():
    table = CodeTable(5, 3, generator(), copies=2, stride=10.0)
    table(torch.tensor([3])).square().sum().backward()
    assert table.weight.grad.abs().sum((1, 2)).nonzero().flatten().tolist() == [3]
    assert torch.equal(table(torch.tensor([4, 1])).detach(), table.all()[[4, 1]])
    assert CodeTable(500, 8, generator(), stride=10.0).all().std().item() == pytest.approx(0.1, rel=0.05)


def test_free_codes_never_see_a_picture(images, run):
    """The same codes, to the last bit, whatever the pictures are: nothing in them can tell what a picture shows."""
    blank = latent.optimise("views", torch.zeros_like(images), TINY, show=False)
    assert torch.equal(blank.copies, run["views"].copies)
    blank = latent.optimise(
        "decoder", torch.zeros_like(images), replace(TINY, budget=replace(TINY.budget, epochs=1)), show=False
    )
    assert not torch.allclose(blank.copies, run["decoder"].copies, atol=0.01)


def test_free_codes_of_two_views_meet_and_satisfy_the_whole_loss(run):
    codes = run["views"]
    first, second = codes.copies.unbind(1)
    assert codes.copies.shape == (N, 2, 8) and torch.allclose(codes.codes, (first + second) / 2)
    terms = vicreg(first, second)
    history = codes.history.batches["invariance"]
    assert terms["invariance"] < 0.02 * history[0] and terms["variance"] < 0.01 and terms["covariance"] < 0.1
    apart = (first - first.roll(1, 0)).square().mean()
    assert terms["invariance"] < 1e-3 * apart


# ---- with a decoder ------------------------------------------------


@pytest.mark.parametrize(("kind", "bound"), [("decoder", 0.6), ("decoder+spread", 0.85)])
def test_decoded_pictures_are_closer_to_their_image_than_to_another(kind, bound, images, run):
    errors = run[kind].history.batches["view error"]
    assert sum(errors[-5:]) < 0.7 * sum(errors[:5])
    pictures, x = latent.decode(run[kind].decoder, run[kind].codes), to_float(images)
    assert pictures.shape == x.shape
    assert (pictures - x).square().mean() < bound * (pictures.roll(1, 0) - x).square().mean()


def test_variance_and_covariance_can_live_with_the_decoder(run):
    with_terms, without = (vicreg(run[kind].codes, run[kind].codes) for kind in ("decoder+spread", "decoder"))
    assert with_terms["variance"] < 0.02 and with_terms["covariance"] < 0.2 * without["covariance"]


def test_any_invertible_change_of_the_codes_can_be_undone_in_the_decoder(run):
    codes = run["decoder"]
    pictures = latent.decode(codes.decoder, codes.codes)
    matrix = torch.randn(8, 8, generator=generator(5)) + 3 * torch.eye(8)
    for a in (matrix, torch.diag(torch.logspace(-2, 2, 8)), 1.2 * whitener(codes.codes)):
        changed = latent.recode(codes, a)
        assert not torch.allclose(changed.codes, codes.codes, atol=0.1)
        assert torch.allclose(latent.decode(changed.decoder, changed.codes), pictures, atol=1e-4)
    terms = vicreg(changed.codes, changed.codes)
    assert terms["variance"] == 0 and terms["covariance"] < 1e-8
    assert vicreg(codes.codes, codes.codes)["variance"] > 0.01


# ---- new images ----------------------------------------------------


def test_a_new_image_gets_a_code_under_the_frozen_decoder(run):
    new = load("shapes10", "test", n=64).images
    before = {name: value.clone() for name, value in run["decoder"].decoder.state_dict().items()}
    willing = copy.deepcopy(run["decoder"].decoder).requires_grad_(True)  # it could be trained, and must not be
    found = latent.optimise("decoder", new, TINY, decoder=willing, show=False)
    assert found.codes.shape == (64, 8)
    pictures, x = latent.decode(found.decoder, found.codes), to_float(new)
    assert (pictures - x).square().mean() < 0.6 * (pictures.roll(1, 0) - x).square().mean()
    for weights in (one.state_dict() for one in (run["decoder"].decoder, willing, found.decoder)):
        assert all(torch.equal(value, before[name]) for name, value in weights.items())


def test_a_shared_encoder_gives_every_image_the_code_of_its_picture(images):
    """Twins get one code from the shared layer, and two from a table of their own."""
    twins, short = torch.cat([images[:64], images[:64]]), replace(TINY, budget=replace(TINY.budget, epochs=2))
    shared, table = (latent.optimise(kind, twins, short, show=False).codes for kind in ("shared encoder", "decoder"))
    assert torch.allclose(shared[:64], shared[64:], atol=1e-5) and (shared[0] - shared[1]).abs().max() > 0.01
    assert (table[:64] - table[64:]).abs().max() > 0.01


# ---- cost ----------------------------------------------------------


def test_multiplications_are_the_integers_of_the_formula_forward_and_back():
    decoder = Decoder(128, 3, 32, 32)
    assert (
        latent.multiplications(decoder, torch.zeros(2, 128)) == 128 * 2048 + 8 * 8 * 32 * 64 * 9 + 16 * 16 * 16 * 12 * 9
    )
    decoder = Decoder(16, 3, 16, 8).requires_grad_(False)
    z = torch.zeros(1, 16, requires_grad=True)
    with FlopCounterMode(display=False) as counter:  # the way back to the code costs as much as the way forward
        decoder(z).sum().backward()
    assert counter.get_total_flops() == 2 * 2 * latent.multiplications(decoder, z)


# ---- settings, seeds, mistakes -------------------------------------


def test_the_seed_decides_everything_and_the_global_generator_nothing(images):
    short = replace(TINY, budget=replace(TINY.budget, epochs=2))
    torch.manual_seed(1)
    first = latent.optimise("decoder", images, short, seed=3, show=False)
    state = torch.random.get_rng_state()
    second = latent.optimise("decoder", images, short, seed=3, show=False)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first.codes, second.codes)
    assert not torch.allclose(
        first.codes, latent.optimise("decoder", images, short, seed=4, show=False).codes, atol=0.01
    )


def test_presets_fit_their_data(run):
    assert set(latent.PRESETS) == {"quick", "cpu", "gpu"}
    for settings in latent.PRESETS.values():
        assert settings.dim == 128 and settings.weights == VICRegWeights() and settings.budget.weight_decay == 0
        latent.draw_views(settings.views, (2, 3, 32, 32), generator())  # every preset's views are linear
    for codes in run.values():
        assert codes.history.steps == 160


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda x: latent.optimise("magic", x, TINY), "no kind 'magic'"),
        (lambda x: latent.optimise("decoder", x[:10], TINY, show=False), "at least as many samples"),
        (lambda x: latent.optimise("views", x, TINY, decoder=Decoder(8)), "never meet a picture"),
        (lambda x: Decoder(8, side=30), "multiple of 4"),
    ],
)
def test_mistakes_are_explained(call, said, images):
    with pytest.raises(ValueError, match=said):
        call(images)
