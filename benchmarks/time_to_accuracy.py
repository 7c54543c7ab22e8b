"""Minutes of training against accuracy on CIFAR-10: `make bench-cifar` prints and writes data/reference/13_fast.json.

What counts: wall-clock training time from the first batch, compilation included, evaluation and probe apart. The
accuracy is the course's 10-epoch linear probe on the encoder's representation (at most 512 numbers), on the test set.
The test set chose nothing: every setting was selected on images held out of the training set, see notebook 13.
"""

import argparse
import time
from dataclasses import replace

from latentlab.course import save_reference
from latentlab.data import load
from latentlab.evaluation import knn, linear_probe, linear_probe_converged, spread
from latentlab.recipes.represent import represent
from latentlab.recipes.vicreg import pretraining as vicreg
from latentlab.recipes.vicreg.timing import matrix_rate, time_step

TARGET = 72.42  # the report's linear probe, in percent
REPORT_EPOCHS = 30  # its recommended length


def one_run(settings: vicreg.Settings, minutes: float, seed: int, train, test) -> dict[str, float]:
    """Train for `minutes`, probe, and return accuracies in percent beside the times in minutes."""
    budget = replace(settings.budget, epochs=None, minutes=minutes)
    run = vicreg.run(replace(settings, budget=budget), train=train, test=test, seed=seed, show=False)
    begun = time.perf_counter()
    known, unseen = represent(run.encoder, train.images), represent(run.encoder, test.images)
    probe = linear_probe(known, train.labels, unseen, test.labels)
    took = time.perf_counter() - begun
    return {
        "seed": seed,
        "minutes": run.history.seconds / 60,
        "epochs": run.history.steps * budget.batch / len(train),
        "probe": 100 * probe.accuracy,
        "probe, standardised": 100 * linear_probe(known, train.labels, unseen, test.labels, standardise=True).accuracy,
        "probe, converged": 100 * linear_probe_converged(known, train.labels, unseen, test.labels).accuracy,
        "20 neighbours": 100 * knn(known, train.labels, unseen, test.labels).accuracy,
        "dimension": known.shape[1],
        "probe minutes": took / 60,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[5.0, 15.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--download", action="store_true", help="fetch CIFAR-10 if it is not there")
    given = parser.parse_args()
    train, test = (load("cifar10", split, download=given.download) for split in ("train", "test"))
    settings, report = vicreg.PRESETS[given.preset], vicreg.PRESETS["gpu"]
    ours, theirs, ceiling = time_step(settings, train), time_step(report, train, steps=2, warm_up=1), matrix_rate()
    hours = 2 * REPORT_EPOCHS * len(train) / theirs.views_per_second / 3600
    print(f"{train.name}: {len(train)} training images; the machine multiplies matrices at {ceiling / 1e9:.0f} GFLOP/s")
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in ours.shares().items())
    rate, report_rate, gflops = ours.views_per_second, theirs.views_per_second, ours.flops_per_second / 1e9
    print(f"preset {given.preset}, uncompiled, views as they begin: {rate:.0f} views/s, {gflops:.0f} GFLOP/s, {shares}")
    print(f"the report's recipe: {report_rate:.1f} views/s, so {REPORT_EPOCHS} epochs take {hours:.0f} hours here")
    about = {
        "views per second": {"ours, uncompiled": rate, "report's recipe": report_rate},
        "report's recipe, hours": hours,
        "GFLOP per second": {"ours, uncompiled": gflops, "matrix product": ceiling / 1e9},
        "shares of a step": ours.shares(),
        "target": TARGET,
    }
    print("minutes  epochs  seed  probe   standardised  converged  neighbours")
    rows, begun = [], time.perf_counter()
    for minutes in given.minutes:
        for seed in range(given.seeds):
            row = one_run(settings, minutes, seed, train, test)
            rows.append(row)
            print(f"{row['minutes']:7.1f}  {row['epochs']:6.1f}  {seed:4d}  {row['probe']:.2f}   "
                  f"{row['probe, standardised']:12.2f}  {row['probe, converged']:9.2f}  {row['20 neighbours']:10.2f}",
                  flush=True)  # fmt: skip
            seconds = time.perf_counter() - begun  # written after every run: who stops it early keeps what there is
            path = save_reference(
                "13_fast", about | {"runs": rows}, settings=settings, data=(train, test), seed=0, seconds=seconds
            )
        found = spread([row["probe"] for row in rows[-given.seeds :]])
        word = "reached" if found.mean >= TARGET else "not reached"
        print(f"{minutes:7.1f} minutes: {found.mean:.2f} ± {found.sd:.2f} %  {TARGET} % {word}", flush=True)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
