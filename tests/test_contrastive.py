"""Contrastive losses: against the sum written out, chunked against plain, invariances, and clear errors."""

import pytest
import torch
import torch.nn.functional as F

from latentlab.losses import info_nce, nt_xent

LOSSES = {"info_nce": info_nce, "nt_xent": nt_xent}


def pairs(b: int = 7, d: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return tuple(F.normalize(torch.randn(b, d, generator=g, dtype=torch.float64), dim=1) for _ in range(2))


def test_info_nce_is_the_sum_written_out():
    z1, z2 = pairs()
    terms = [-((z1[i] @ z2[i]) / 0.2 - sum(((z1[i] @ z2[j]) / 0.2).exp() for j in range(7)).log()) for i in range(7)]
    assert torch.isclose(info_nce(z1, z2, 0.2), torch.stack(terms).mean(), atol=1e-12)


def test_nt_xent_asks_every_view_for_its_partner_among_the_others():
    z1, z2 = pairs()
    z = torch.cat([z1, z2])
    terms = [
        -(z[i] @ z[(i + 7) % 14] / 0.2 - sum((z[i] @ z[k] / 0.2).exp() for k in range(14) if k != i).log())
        for i in range(14)
    ]
    assert torch.isclose(nt_xent(z1, z2, 0.2), torch.stack(terms).mean(), atol=1e-12)
    assert torch.isclose(nt_xent(z1, z2, 0.2), nt_xent(z2, z1, 0.2), atol=1e-12)  # the views may change places


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_give_the_same_number_and_slopes(name, chunk):
    found = []
    for size in (None, chunk):
        z1, z2 = (z.clone().requires_grad_() for z in pairs())
        loss = LOSSES[name](z1, z2, 0.1, size)
        found.append([loss.detach(), *torch.autograd.grad(3 * loss, (z1, z2))])
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*found, strict=True))


def test_the_hand_written_slope_is_the_numerical_one():
    torch.autograd.gradcheck(
        lambda a, b: info_nce(F.normalize(a, dim=1), F.normalize(b, dim=1), 0.5, 2),
        tuple(z.clone().requires_grad_() for z in pairs(4, 3)),
    )


@pytest.mark.parametrize("loss", LOSSES.values())
def test_partners_that_agree_cost_less_and_half_precision_is_finite(loss):
    z1, z2 = pairs()
    assert loss(z1, z1, 0.1) < loss(z1, z2, 0.1)
    assert torch.isfinite(loss(F.normalize(z1.half(), dim=1), F.normalize(z2.half(), dim=1), 0.01))


@pytest.mark.parametrize(
    ("z1", "z2", "temperature", "chunk", "words"),
    [
        (*pairs(), 0.0, None, "temperature"),
        (*pairs(), -1.0, None, "temperature"),
        (*pairs(), 0.1, 0, "chunk"),
        (*pairs(1), 0.1, None, "negatives"),
        (pairs(7)[0], pairs(6)[1], 0.1, None, "shape"),
        (2 * pairs()[0], pairs()[1], 0.1, None, "length 1"),
        (float("nan") * pairs()[0], pairs()[1], 0.1, None, "NaN"),
    ],
)
def test_bad_input_is_named(z1, z2, temperature, chunk, words):
    with pytest.raises(ValueError, match=words):
        info_nce(z1, z2, temperature, chunk)
