"""AdamW and Muon on CIFAR-10, tuned alike: `make bench-cifar` prints and writes data/reference/13_optimisers.json.

Both get the same preset, the same minutes of one core and the same number of trials, chosen on 5,000 training images
that no network saw. The best of each is then trained anew, from fresh seeds, and read on the test set. The preset is
the first form of `fast`, as in the recorded runs, whatever has become of it since.
"""

import argparse
import time
from dataclasses import replace

import joblib
import torch

from latentlab.course import save_reference
from latentlab.data import Dataset, load
from latentlab.evaluation import linear_probe, spread
from latentlab.losses import VICRegWeights
from latentlab.recipes.represent import represent
from latentlab.recipes.vicreg import pretraining as vicreg

RATES = {"adamw": (0.00025, 0.0005, 0.001, 0.002, 0.004), "muon": (0.005, 0.01, 0.02, 0.04, 0.08)}
FIRST_FORM = replace(vicreg.PRESETS["fast"], widths=(64, 128, 256, 256), grow=(), weights=VICRegWeights())
PROBE = 10_000  # images that the probe of a trial learns from; the last runs' probe learns from all


def trial(optimiser: str, rate: float, seed: int, minutes: float, train: Dataset, test: Dataset, probe: int) -> dict:
    """Train on one core for `minutes`, read `test`: rate, seed, steps and the probe in percent."""
    torch.set_num_threads(1)
    budget = replace(FIRST_FORM.budget, optimiser=optimiser, learning_rate=rate, minutes=minutes)
    run = vicreg.run(replace(FIRST_FORM, budget=budget), train=train, seed=seed, show=False)
    some = train.first(probe)
    known, unseen = represent(run.encoder, some.images), represent(run.encoder, test.images)
    accuracy = linear_probe(known, some.labels, unseen, test.labels).accuracy
    return {"rate": rate, "seed": seed, "steps": run.history.steps, "probe": 100 * accuracy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.5, help="of one core, for each run (default: 1.5)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=joblib.cpu_count(), help="runs at a time, one core each")
    parser.add_argument("--download", action="store_true", help="fetch CIFAR-10 if it is not there")
    given = parser.parse_args()
    train, test = (load("cifar10", split, download=given.download) for split in ("train", "test"))
    begun, workers = time.perf_counter(), joblib.Parallel(n_jobs=given.jobs, verbose=5)

    def by_name(
        asked: list[tuple[str, float, int]], train: Dataset, test: Dataset, probe: int
    ) -> dict[str, list[dict]]:
        rows = workers(joblib.delayed(trial)(*one, given.minutes, train, test, probe) for one in asked)
        return {name: [row for (n, *_), row in zip(asked, rows, strict=True) if n == name] for name in RATES}

    asked = [(name, rate, 0) for name, rates in RATES.items() for rate in rates]
    trials = by_name(asked, *train.holdout(5000, seed=77), PROBE)
    best = {name: max(found, key=lambda row: row["probe"])["rate"] for name, found in trials.items()}
    last = by_name([(n, rate, 11 + k) for n, rate in best.items() for k in range(given.seeds)], train, test, len(train))
    for name in RATES:
        tried = ", ".join(f"{row['rate']:g}: {row['probe']:.1f}" for row in trials[name])
        found = spread([row["probe"] for row in last[name]])
        print(f"{name}: held out {tried}; {best[name]:g} from fresh seeds {found.mean:.2f} ± {found.sd:.2f} %")
    values = {"minutes of one core": given.minutes, "trials": trials, "fresh": last}
    seconds = time.perf_counter() - begun
    print(save_reference("13_optimisers", values, settings=FIRST_FORM, data=(train, test), seed=0, seconds=seconds))


if __name__ == "__main__":
    main()
