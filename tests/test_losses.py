"""VICReg's terms against values worked out by hand in float64, and against properties that must hold for any input."""

import math

import pytest
import torch

from latentlab.losses import VICRegWeights, covariance, covariance_matrix, invariance, spread, variance, vicreg
from latentlab.losses.vicreg import correlation, vicreg_of_many

# Three embeddings of two coordinates and their partners. By hand:
#   means (1, 2); deviations (−1, −2), (0, 0), (1, 2); 1/(b−1) = 1/2
#   C = [[1, 2], [2, 4]];  spread = √(1 + ε), √(4 + ε)
Z1 = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]], dtype=torch.float64)
#   means (0, 1); deviations (−.25, 0), (0, 0), (.25, 0);  C = [[1/16, 0], [0, 0]];  spread = √(1/16 + ε), √ε
Z2 = torch.tensor([[-0.25, 1.0], [0.0, 1.0], [0.25, 1.0]], dtype=torch.float64)
EPS = 1e-4
V1 = 0.0  # both spreads exceed γ = 1
V2 = ((1 - math.sqrt(1 / 16 + EPS)) + (1 - math.sqrt(EPS))) / 2
# squared differences: (.0625 + 1), (1 + 1), (3.0625 + 9)
S = (1.0625 + 2.0 + 12.0625) / 6
C1, C2 = (2**2 + 2**2) / 2, 0.0


def test_terms_equal_the_values_worked_out_by_hand():
    assert invariance(Z1, Z2).item() == pytest.approx(S, abs=1e-12)
    assert variance(Z1).item() == pytest.approx(V1, abs=1e-12)
    assert variance(Z2).item() == pytest.approx(V2, abs=1e-12)
    assert covariance(Z1).item() == pytest.approx(C1, abs=1e-12)
    assert covariance(Z2).item() == pytest.approx(C2, abs=1e-12)
    assert spread(Z1).tolist() == pytest.approx([math.sqrt(1 + EPS), math.sqrt(4 + EPS)], abs=1e-12)


def test_the_loss_weighs_the_terms_and_takes_the_mean_of_the_two_variance_terms():
    terms = vicreg(Z1, Z2, VICRegWeights(25, 40, 3))
    assert terms["variance"].item() == pytest.approx((V1 + V2) / 2, abs=1e-12)
    assert terms["loss"].item() == pytest.approx(25 * S + 20 * (V1 + V2) + 3 * (C1 + C2), abs=1e-10)


def test_against_the_loss_as_the_paper_states_it():
    """Algorithm 1 of the paper, written out with torch.cov; it adds the variance terms, which doubles their weight."""
    z1, z2 = torch.randn(2, 40, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3)).unbind(0)
    expected = 25 * torch.nn.functional.mse_loss(z1, z2)
    for z in (z1, z2):
        expected += 25 * torch.relu(1 - torch.sqrt(z.var(0) + EPS)).mean()
        matrix = torch.cov(z.T)
        expected += (matrix - torch.diag(matrix.diagonal())).square().sum() / 7
    assert vicreg(z1, z2, VICRegWeights(variance=50.0))["loss"].item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.allclose(covariance_matrix(z1), torch.cov(z1.T), atol=1e-12)


def test_losses_and_correlation_are_exact_under_autocast_and_beside_a_still_coordinate():
    z = torch.randn(4, 16, 8, generator=torch.Generator().manual_seed(0))
    expected = vicreg_of_many(z), vicreg(*z[:2])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = vicreg_of_many(z), vicreg(*z[:2])
    for ours, theirs in zip(found, expected, strict=True):
        assert all(torch.equal(ours[term], theirs[term]) for term in theirs)
    moving = z[0, :, :2].double()  # (16, 2)
    still = torch.cat([moving, torch.ones(16, 1)], dim=1)  # (16, 3): only one pair of coordinates moves
    assert correlation(still).item() == pytest.approx(torch.corrcoef(moving.T)[0, 1].item() ** 2 / 3, rel=1e-9)


def test_the_loss_of_many_views_is_the_mean_over_all_pairs_of_views():
    z = torch.randn(4, 20, 6, generator=torch.Generator().manual_seed(0))
    weights = VICRegWeights(invariance=3.0, variance=5.0, covariance=7.0)
    found, rows = vicreg_of_many(z, weights), z.flatten(0, 1)
    pairs = [invariance(z[i], z[j]) for i in range(4) for j in range(i)]
    assert torch.allclose(found["invariance"], torch.stack(pairs).mean())
    assert torch.allclose(found["variance"], variance(rows)) and torch.allclose(
        found["covariance"], 2 * covariance(rows)
    )
    total = 3 * found["invariance"] + 5 * found["variance"] + 7 * found["covariance"]
    assert torch.allclose(found["loss"], total)
    two = vicreg_of_many(z[:2])
    assert torch.allclose(two["invariance"], vicreg(z[0], z[1])["invariance"]), (
        "of two views: as the pair's loss has it"
    )


def test_which_changes_the_terms_notice():
    z1, z2 = torch.randn(2, 64, 5, generator=torch.Generator().manual_seed(1)).unbind(0)
    base, order = vicreg(z1, z2), torch.arange(63, -1, -1)
    together = vicreg(z1[order], z2[order])
    apart = vicreg(z1[order], z2)
    for name in base:
        assert together[name].item() == pytest.approx(base[name].item(), rel=1e-5)
    for name in ("variance", "covariance"):
        assert apart[name].item() == pytest.approx(base[name].item(), rel=1e-5)
    assert abs(apart["invariance"] - base["invariance"]) > 1e-3
    shifted = vicreg(z1 + 5, z2 + 5)
    assert shifted["loss"].item() == pytest.approx(base["loss"].item(), rel=1e-3)


def test_gradients_agree_with_finite_differences():
    z1, z2 = (0.3 * torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))).unbind(0)
    assert torch.autograd.gradcheck(lambda a, b: vicreg(a, b)["loss"], (z1.requires_grad_(), z2.requires_grad_()))


def test_half_precision_embeddings_are_judged_in_float32():
    z1, z2 = torch.randn(2, 64, 8, generator=torch.Generator().manual_seed(4)).bfloat16().unbind(0)
    terms = vicreg(z1, z2)
    assert all(value.dtype == torch.float32 for value in terms.values())
    with torch.autocast("cpu", torch.bfloat16):
        again = vicreg(z1, z2)
    assert again["loss"].item() == terms["loss"].item()


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [(torch.zeros(4, 3), torch.zeros(4, 2), "equal shape"), (torch.zeros(1, 3), torch.zeros(1, 3), "b ≥ 2")],
)
def test_wrong_input_is_explained(first, second, word):
    with pytest.raises(ValueError, match=word):
        vicreg(first, second)
