"""Unlearned patch features on CIFAR-10, the yardstick beside learning; writes data/reference/13_patches.json."""

import argparse
import time

from latentlab.course import save_reference
from latentlab.data import load
from latentlab.evaluation import linear_probe
from latentlab.models import patches
from latentlab.recipes.represent import represent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--download", action="store_true", help="fetch CIFAR-10 if it is not there")
    given = parser.parse_args()
    train, test = (load("cifar10", split, download=given.download) for split in ("train", "test"))
    rows, whole = {}, time.perf_counter()
    for name, settings in patches.PRESETS.items():
        begun = time.perf_counter()
        encoder = patches.fit_patches(train.images, settings, seed=0)
        known, unseen = represent(encoder, train.images), represent(encoder, test.images)
        minutes = (time.perf_counter() - begun) / 60
        percent, d = 100 * linear_probe(known, train.labels, unseen, test.labels).accuracy, known.shape[1]
        rows[f"{d} dimensions"] = {"probe": percent, "minutes": minutes, "preset": name}
        print(f"{d:6d} dimensions  {percent:.2f} %  {minutes:.1f} minutes for dictionary and features")
    save_reference("13_patches", rows, settings=patches.PRESETS["quick"], data=(train, test), seed=0,
                   seconds=time.perf_counter() - whole)  # fmt: skip


if __name__ == "__main__":
    main()
