"""Transfer with few labels: what is frozen stays, what is not learns, and every regime is fed alike."""

from dataclasses import replace

import pytest
import torch

from latentlab.data import load
from latentlab.recipes.autoencoder import paths, transfer
from latentlab.recipes.autoencoder import sweep as autoencoder
from latentlab.recipes.autoencoder.sweep import Model, Run
from latentlab.training import checksum

TINY = replace(transfer.PRESETS["quick"], steps=16, checks=4, check_images=60, early_steps=6, counts=(20, 40), seeds=(0, 1))


@pytest.fixture(scope="module")
def pretrained():
    return autoencoder.build(Model(15)).eval()


def fitted(regime, pretrained, count=40, seed=0, settings=TINY):
    known, test = transfer.labelled_subset(settings, count, seed), load("digits", "test").first(60)
    return transfer.train_classifier(regime, known, test, pretrained, settings, rate=3e-3, seed=seed)


@pytest.mark.parametrize("regime", transfer.REGIMES)
def test_what_is_frozen_stays_and_what_is_not_learns(regime, pretrained):
    before = checksum(pretrained.encoder)
    network, losses, course = fitted(regime, pretrained)
    assert checksum(pretrained.encoder) == before  # the original is never touched
    assert (checksum(network.encoder) == before) == (regime == "frozen")
    assert len(losses) == TINY.steps and len(course) == TINY.checks
    assert all(0 <= accuracy <= 1 for accuracy in course)


def test_heads_and_labels_are_the_same_in_every_regime(pretrained):
    heads = {checksum(transfer._classifier(regime, pretrained, 10, 3).head) for regime in transfer.REGIMES}
    assert len(heads) == 1
    assert checksum(transfer._classifier("frozen", pretrained, 10, 3).head) != checksum(
        transfer._classifier("frozen", pretrained, 10, 4).head
    )


def test_training_repeats_itself_and_learns(pretrained):
    longer = replace(TINY, steps=60)
    one, losses, _ = fitted("fine-tuned", pretrained, settings=longer)
    two = fitted("fine-tuned", pretrained, settings=longer)[0]
    assert checksum(one) == checksum(two)
    assert losses[-1] < 0.5 * losses[0]


def test_every_label_is_seen_equally_often(pretrained):
    known = transfer.labelled_subset(TINY, 40, 0)
    task = transfer.ClassifierTask(transfer._classifier("frozen", pretrained, 10, 0), known, known, TINY, frozen=True, seed=0)
    seen = task.order[: 40 * 10].bincount(minlength=40)
    assert (seen == 10).all()


def test_labelled_subsets_are_balanced_and_keep_away_from_held_out_images():
    some = transfer.labelled_subset(TINY, 20, 0)
    assert some.labels.bincount().min() >= 1
    assert not torch.equal(some.images, transfer.labelled_subset(TINY, 20, 1).images)
    apart = replace(TINY, held_out=400)
    held = load("digits", "train").holdout(400, seed=0)[1]
    rows = {bytes(image.numpy().tobytes()) for image in held.images}
    drawn = transfer.labelled_subset(apart, 900, 0).images
    assert sum(bytes(image.numpy().tobytes()) in rows for image in drawn) == 0


def test_no_labels_are_refused_in_words(pretrained):
    with pytest.raises(ValueError, match="nothing to learn from"):
        transfer.labelled_subset(TINY, 0, 0)
    nothing = load("digits", "train").subset([])
    with pytest.raises(ValueError, match="no labelled images"):
        transfer.train_classifier("frozen", nothing, load("digits", "test"), pretrained, TINY, rate=1e-3)
    with pytest.raises(ValueError, match="choose frozen, fine-tuned, from scratch, head first"):
        fitted("thawed", pretrained)


def test_the_rate_is_the_best_on_held_out_images(pretrained):
    offered = replace(TINY, rates=(1e-9, 3e-3), held_out=100, steps=60)
    known = transfer.labelled_subset(offered, 200, 0)
    assert transfer._best_rate("from scratch", known, 200, pretrained, offered) == 3e-3
    assert transfer._best_rate("frozen", known, 200, pretrained, TINY) == TINY.rates[0]


def test_first_moments_begin_at_the_pretrained_encoder(pretrained):
    seen = transfer.first_moments(pretrained, TINY, 40, every=2)
    assert seen["steps"] == [0, 2, 4, 6]
    test = load("digits", "test")
    error = autoencoder.reconstruct(Run(Model(15), pretrained, None), test.images).sub(test.images / 255).square().mean()
    assert seen["reconstruction"][0] == pytest.approx(float(error), rel=1e-4)
    assert seen["reconstruction"][-1] != seen["reconstruction"][0]


def test_an_outcome_holds_what_the_notebook_reads(pretrained):
    outcome = transfer._outcome("fine-tuned", 20, 1, pretrained, TINY)
    assert (outcome.regime, outcome.labels, outcome.seed) == ("fine-tuned", 20, 1)
    assert 0 <= outcome.accuracy <= 1 and 0 <= outcome.probe <= 1 and outcome.first_gradient > 0 and outcome.train_loss > 0


def test_paths_begin_and_end_at_the_reconstructions(pretrained):
    test, run = load("digits", "test"), Run(Model(15), pretrained, None)
    pairs = paths.draw_pairs(test, 7, 0)
    assert len(pairs.start) == 7 and (test.labels[pairs.start] != test.labels[pairs.end]).all()
    for spherical in (False, True):
        frames = paths.decode_path(run, test.images, pairs, steps=5, spherical=spherical)
        assert frames.shape == (7, 5, 1, 28, 28)
        torch.testing.assert_close(frames[:, 0], autoencoder.reconstruct(run, test.images[pairs.start]), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(frames[:, -1], autoencoder.reconstruct(run, test.images[pairs.end]), atol=1e-4, rtol=1e-4)
    pair = paths.first_of_class(test, (7, 9))
    assert test.labels[pair.start].item() == 7 and test.labels[pair.end].item() == 9
    with pytest.raises(ValueError, match="one class only"):
        paths.draw_pairs(test.subset(torch.nonzero(test.labels == 3)[:, 0]), 5)


def test_the_cross_fade_of_originals_measures_as_it_must():
    test = load("digits", "test")
    judge = transfer.judge(replace(TINY, steps=60))
    pairs = paths.draw_pairs(test, 30, 1)
    fade = paths.measure_fade(test, pairs, judge, test.images[:50] / 255)
    assert fade["pixel width"] == pytest.approx(0.5, abs=1e-4) and fade["distance to cross-fade"] < 1e-4
    assert fade["sharpness of the ends"] == pytest.approx(1, abs=1e-5)
    shares = paths.recognised_as(None, test, judge, tuple(range(10)))
    assert sum(shares) / 10 == pytest.approx(transfer.accuracy(judge, test), abs=0.02)
