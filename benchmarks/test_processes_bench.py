"""Weak scaling: images per second and process of two processes against one, each with one thread.

Two processes that do not talk stand beside them: what they lose, the machine loses (memory, clock), the rest is
messages.
This file is also the script that the processes run: `torchrun --nproc-per-node 2 benchmarks/test_processes_bench.py`.
"""

import subprocess
import sys
from dataclasses import replace

import torch

STEPS, BATCH = 24, 256  # batch per process
TIME_LIMIT = 150


def rate() -> float:
    """Images per second and process of the training loop: two 20×20 views, the default ConvNet and projector."""
    from latentlab.data import load
    from latentlab.recipes.vicreg import pretraining as vicreg
    from latentlab.training import Budget, processes

    torch.set_num_threads(1)
    n = processes.size()
    train = load("shapes10", "train", n=2 * BATCH * n)
    settings = replace(vicreg.PRESETS["cpu"], data="shapes10", budget=Budget(epochs=2, batch=BATCH * n))
    vicreg.run(settings, train=train, test=train.first(1), show=False)  # warm-up
    settings = replace(settings, budget=replace(settings.budget, epochs=STEPS / 2))
    history = vicreg.run(settings, train=train, test=train.first(1), show=False).history
    return history.steps * BATCH / history.seconds


def start(processes: int) -> subprocess.Popen:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.Popen([*torchrun, __file__], stdout=subprocess.PIPE, text=True)


def rates(*jobs: subprocess.Popen) -> float:
    """Mean over all processes of all jobs; raises RuntimeError if one failed."""
    outputs = [job.communicate(timeout=TIME_LIMIT)[0] for job in jobs]
    if any(job.returncode for job in jobs):
        raise RuntimeError(f"A training process failed: {outputs}")
    found = [float(line.split()[1]) for output in outputs for line in output.splitlines() if line.startswith("rate ")]
    return sum(found) / len(found)


def test_weak_scaling(results, capsys):
    alone = rates(start(1))
    apart = rates(start(1), start(1))
    together = rates(start(2))
    results.add("training, two processes: images/s and process", together, alone, "one process", unit="images/s")
    results.add("training, two processes: beside two that do not talk", together, apart, "two apart", unit="images/s")
    with capsys.disabled():
        print(f"\nImages per second and process: alone {alone:.0f}, two apart {apart:.0f}, two together {together:.0f}")
        print(f"Efficiency {together / alone:.1%}; of what two processes apart reach, {together / apart:.1%}")


if __name__ == "__main__":
    from latentlab.training import processes

    processes.start()
    sys.stdout.write(f"rate {rate():.2f}\n")
    sys.stdout.flush()
    processes.stop()
