"""Many small trainings at once: one process per core, each with one thread.

Small networks leave a second core idle: their layers are too short to share. Measured on the autoencoders of notebook 04 (28×28
pixels, batches of 128, eight models, two idle cores), in milliseconds per model and step: one model after the other with two
threads 7.6; one model per core, as here, 5.6; all eight in one batched network (`torch.func.vmap`, grouped convolutions) 5.2.
The batched network wins 7 %, but its members must share depth and activation and pad their codes to one width. One thread per
model has another merit: the numbers do not depend on how many cores there are, and a finished model can be kept on its own.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any

import torch

from latentlab.training.progress import Bar


def cores() -> int:
    """How many processes may run at once here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(
    function: Callable[..., Any], jobs: Sequence[tuple], *, title: str, device: torch.device | str = "cpu", show: bool = True
) -> list[Any]:
    """function(*job) for every job, in the order of `jobs`; the results must be picklable, as must be function and jobs.

    On a CPU each job runs in a process of its own with one thread, as many at a time as there are cores. On another device they
    run one after the other in this process. An error in a job ends the rest and is raised here.
    """
    results: list[Any] = [None] * len(jobs)
    with Bar(title, show) as bar:
        if torch.device(device).type != "cpu":
            for place, job in enumerate(jobs):
                results[place] = function(*job)
                bar.update((place + 1) / len(jobs))
            return results
        with ProcessPoolExecutor(min(cores(), max(1, len(jobs))), get_context("spawn"), _one_thread) as pool:
            places = {pool.submit(function, *job): place for place, job in enumerate(jobs)}
            try:
                for done, future in enumerate(as_completed(places), start=1):
                    results[places[future]] = future.result()
                    bar.update(done / len(jobs))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return results


def _one_thread() -> None:
    torch.set_num_threads(1)
