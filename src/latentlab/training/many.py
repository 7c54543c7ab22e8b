"""Many small trainings at once: one process per core, each with one thread.

Small networks leave a second core idle: their layers are too short to share. Measured on the autoencoders of notebook 04 (28×28
pixels, batches of 128, eight models, two idle cores), in milliseconds per model and step: one model after the other with two
threads 7.6; one model per core, as here, 5.6; all eight in one batched network (`torch.func.vmap`, grouped convolutions) 5.2.
The batched network wins 7 %, but its members must share depth and activation and pad their codes to one width. One thread per
model has another merit: the numbers do not depend on how many cores there are, and a finished model can be kept on its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import joblib
import torch

from latentlab.training.progress import Bar


def in_parallel(
    function: Callable[..., Any], jobs: Sequence[tuple], *, title: str, device: torch.device | str = "cpu", show: bool = True
) -> list[Any]:
    """function(*job) for every job, in the order of `jobs`; the results must be picklable, as must be function and jobs.

    On a CPU each job runs in a process of its own with one thread, as many at a time as there are cores. On another device they
    run one after the other in this process. An error in a job ends the rest and is raised here.
    """
    results: list[Any] = [None] * len(jobs)
    alone = torch.device(device).type != "cpu"
    pool = joblib.Parallel(1 if alone else min(joblib.cpu_count(), len(jobs) or 1), return_as="generator_unordered")
    call = _numbered if alone else _numbered_with_one_thread
    with Bar(title, show) as bar:
        for done, (place, result) in enumerate(pool(joblib.delayed(call)(i, function, job) for i, job in enumerate(jobs)), 1):
            results[place] = result
            bar.update(done / len(jobs))
    return results


def _numbered(place: int, function: Callable[..., Any], job: tuple) -> tuple[int, Any]:
    return place, function(*job)


def _numbered_with_one_thread(place: int, function: Callable[..., Any], job: tuple) -> tuple[int, Any]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return place, function(*job)
    finally:
        torch.set_num_threads(before)  # with one core joblib stays in this process
