"""The quick profile on shapes10 over seeds: probe after training beside raw pixels and an untrained encoder."""

import argparse

from latentlab.data import load
from latentlab.evaluation import linear_probe, spread
from latentlab.recipes.represent import pixels, represent
from latentlab.recipes.vicreg import pretraining as vicreg


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    settings = vicreg.PRESETS["quick"]
    train, test = load(settings.data, "train"), load(settings.data, "test")

    def probe(features) -> float:
        found = linear_probe(features(train.images), train.labels, features(test.images), test.labels)
        return 100 * found.accuracy

    rows = {"raw pixels": [probe(pixels)], "untrained": [], "VICReg": [], "training seconds": []}
    for seed in seeds:
        fresh = vicreg.untrained(settings, (3, 32, 32), seed)
        rows["untrained"].append(probe(lambda images, encoder=fresh: represent(encoder, images)))
        run = vicreg.run(settings, train=train, test=test, seed=seed, show=False)
        rows["VICReg"].append(probe(lambda images, encoder=run.encoder: represent(encoder, images)))
        rows["training seconds"].append(run.history.seconds)
    for name, values in rows.items():
        both = f"{values[0]:.1f}" if len(values) == 1 else f"{spread(values).mean:.1f} ± {spread(values).sd:.1f}"
        print(f"{name:>16}: {both}")


if __name__ == "__main__":
    main()
