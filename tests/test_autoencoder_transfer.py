"""Transfer with few labels: what is frozen stays, what is not learns, all are fed alike; paths between codes."""

from dataclasses import replace

import pytest
import torch

from latentlab.data import load
from latentlab.evaluation.interpolation import smoothness
from latentlab.recipes import contract
from latentlab.recipes.autoencoder import paths, sweep, transfer
from latentlab.training import checksum

QUICK = transfer.PRESETS["quick"]
SHORT = replace(QUICK.pretraining, budget=replace(QUICK.pretraining.budget, epochs=1))
TINY = replace(QUICK, labels=40, steps=16, counts=(20, 40), seeds=(0, 1), pretraining=SHORT)
TRAIN, TEST = load("digits", "train"), load("digits", "test").first(60)


@pytest.fixture(scope="module")
def pretrained():
    return sweep.build(sweep.Settings(), (1, 28, 28), 0).eval()


def fitted(regime, pretrained, seed=0, settings=TINY):
    given = {"train": TRAIN, "test": TEST, "pretrained": pretrained, "seed": seed, "show": False}
    return transfer.run(replace(settings, regime=regime), **given)


@pytest.mark.parametrize("regime", transfer.REGIMES)
def test_what_is_frozen_stays_and_what_is_not_learns(regime, pretrained):
    before = checksum(pretrained.encoder)
    run = fitted(regime, pretrained)
    assert checksum(pretrained.encoder) == before  # the original is never touched
    assert (checksum(run.network.encoder) == before) == (regime == "frozen")
    half = 2 if regime == "head first" else 1  # the history is the last stage's
    assert run.history.steps == TINY.steps // half and len(run.history.epochs["accuracy"]) == 1


def test_heads_are_the_same_in_every_regime(pretrained):
    def head(regime, seed):
        return checksum(transfer.build(replace(TINY, regime=regime), (1, 28, 28), seed, pretrained).head)

    assert len({head(regime, 3) for regime in transfer.REGIMES}) == 1
    assert head("frozen", 3) != head("frozen", 4)
    for regime in transfer.REGIMES:
        encoder = transfer.build(replace(TINY, regime=regime), (1, 28, 28), 3, pretrained).encoder
        assert (checksum(encoder) == checksum(pretrained.encoder)) == (regime != "from scratch")


def test_training_repeats_itself_and_learns(pretrained):
    longer = replace(TINY, steps=60)
    one, two = (fitted("fine-tuned", pretrained, settings=longer) for _ in range(2))
    assert checksum(one.network) == checksum(two.network)
    losses = one.history.batches["loss"]
    assert losses[-1] < 0.5 * losses[0]


def test_head_first_begins_its_second_half_with_the_head_that_the_first_taught(pretrained):
    straight, after = (fitted(r, pretrained, settings=replace(TINY, steps=60)) for r in ("fine-tuned", "head first"))
    assert after.history.batches["loss"][0] < 0.9 * straight.history.batches["loss"][0]


@pytest.mark.parametrize("count", [20, 100, 1400])
def test_every_number_of_labels_gets_the_same_steps_and_one_test_at_the_end(count):
    budget = replace(TINY, steps=60).budget(count)
    per_epoch = count // budget.batch
    assert round(budget.epochs * per_epoch) == 60 and budget.batch == min(64, count)
    assert budget.test_every == budget.epochs


def test_labelled_subsets_are_balanced_and_keep_away_from_held_out_images():
    few = replace(TINY, labels=20)
    some = transfer.labelled_subset(few, TRAIN, 0)
    assert some.labels.bincount().min() >= 1
    assert not torch.equal(some.images, transfer.labelled_subset(few, TRAIN, 1).images)
    rows = {bytes(image.numpy().tobytes()) for image in TRAIN.holdout(400, seed=0)[1].images}
    drawn = transfer.labelled_subset(replace(TINY, held_out=400, labels=900), TRAIN, 0).images
    assert sum(bytes(image.numpy().tobytes()) in rows for image in drawn) == 0


def test_no_labels_are_refused_in_words(pretrained):
    for labels in (0, 1):
        with pytest.raises(ValueError, match="nothing to learn from"):
            fitted("frozen", pretrained, settings=replace(TINY, labels=labels))
    with pytest.raises(ValueError, match="choose frozen, fine-tuned, from scratch, head first"):
        fitted("thawed", pretrained)


def test_the_rate_is_the_best_on_held_out_images(pretrained):
    offered = replace(TINY, rates=(1e-9, 3e-3), held_out=100, steps=60, labels=200, regime="from scratch")
    assert transfer.best_rate(offered, pretrained, TRAIN).rate == 3e-3
    assert transfer.best_rate(replace(offered, rates=(1e-9,)), pretrained, TRAIN).rate == 1e-9


def test_a_comparison_holds_what_the_notebook_reads(pretrained):
    rows = transfer.compare(TINY, pretrained, TRAIN, TEST, regimes=("frozen", "fine-tuned"))
    assert [r["labels"] for r in rows] == [40] * 4 + [20] * 4 and [r["seed"] for r in rows] == [0, 1] * 4
    assert [r["regime"] for r in rows] == ["frozen", "frozen", "fine-tuned", "fine-tuned"] * 2
    for row in rows:
        assert (
            0 <= row["accuracy"] <= 1 and 0 <= row["neighbours"] <= 1 and row["first gradient"] > 0 < row["train loss"]
        )
    known, network = transfer.labelled_subset(TINY, TRAIN, 0), transfer.build(TINY, (1, 28, 28), 0, pretrained)
    torch.nn.functional.cross_entropy(network(known.images / 255), known.labels).backward()
    first, last = network.encoder[0].weight.grad.norm(), network.head[-1].weight.grad.norm()
    assert rows[0]["first gradient"] == pytest.approx(float(first / last), rel=1e-3)
    assert rows[0]["neighbours"] == transfer.neighbours_of(pretrained.encoder, TRAIN, TEST)


def test_the_contract_holds_from_nothing_to_a_trained_network_on_disk(tmp_path):
    settings = replace(TINY, regime="head first")
    contract.begin(tmp_path, "transfer", settings, 0)
    done = transfer.run(settings, train=TRAIN, test=TEST, folder=tmp_path, show=False)
    contract.finish(tmp_path, done)
    again = contract.trained(tmp_path, (1, 28, 28))
    assert transfer.scores(again, settings, TRAIN, TEST) == transfer.scores(done.network, settings, TRAIN, TEST)
    taken_up = transfer.run(settings, train=TRAIN, test=TEST, folder=tmp_path, resume=True, show=False)
    assert checksum(taken_up.network) == checksum(done.network)


def test_paths_begin_and_end_at_the_reconstructions(pretrained):
    test = load("digits", "test")
    pairs = paths.draw_pairs(test, 7, 0)
    assert pairs.shape == (2, 7) and (test.labels[pairs[0]] != test.labels[pairs[1]]).all()
    frames = paths.walk(pretrained, test, pairs, steps=5)
    assert frames.shape == (7, 5, 1, 28, 28)
    for place, ends in zip((0, -1), pairs, strict=True):
        torch.testing.assert_close(
            frames[:, place], sweep.reconstruct(pretrained, test.images[ends]), atol=1e-4, rtol=1e-4
        )
    assert test.labels[paths.first_of_class(test, 7, 9)].flatten().tolist() == [7, 9]
    with pytest.raises(ValueError, match="one class only"):
        paths.draw_pairs(test.subset(torch.nonzero(test.labels == 3)[:, 0]), 5)


def test_the_cross_fade_of_originals_measures_as_it_must():
    test = load("digits", "test")
    judge = transfer.judge(replace(TINY, steps=60), TRAIN, test)
    pairs = paths.draw_pairs(test, 30, 1)
    fade = paths.measure_paths(paths.fade(test, pairs), test, pairs, judge)
    assert fade["pixel width"] == pytest.approx(0.5, abs=1e-4)
    assert fade["sharpness of the ends"] == pytest.approx(1, abs=1e-5) and fade["sharpness"] < 1
    halfway = (test.images[pairs].float() / 255).mean(0)  # (30, 1, 28, 28)
    assert fade["smoothness"] == pytest.approx(float(smoothness(halfway).mean()), abs=1e-5)
    assert fade["ends recognised"] > 0.5 and transfer.accuracy(judge, test) > 0.8
