"""Many small trainings at once: one process per core, each with one thread.

Small networks leave a second core idle: one per core takes three quarters of the time of one after the other. With one
thread the numbers do not depend on how many cores there are.
"""

from collections.abc import Callable, Sequence
from typing import Any

import joblib
import torch

from .progress import progress


def in_parallel(
    function: Callable[..., Any], jobs: Sequence[tuple], *, title: str, device: torch.device | str = "cpu",
) -> list[Any]:  # fmt: skip
    """function(*job) for every job, in the order of `jobs`; function, jobs and results must be picklable.

    On a CPU each job runs in a process with one thread, as many at a time as torch may use threads here. On another
    device they run one after the other in this process. An error in a job ends the rest and is raised here.
    """
    alone, results, threads = torch.device(device).type != "cpu", [], torch.get_num_threads()
    at_once = 1 if alone else min(joblib.cpu_count(), threads, len(jobs) or 1)  # 1: in this process, none is started
    threads, pool = threads if alone else 1, joblib.Parallel(at_once, return_as="generator")
    with progress(title) as update:
        for result in pool(joblib.delayed(_with_threads)(threads, function, job) for job in jobs):
            results.append(result)
            update(len(results) / len(jobs))
    return results


def _with_threads(threads: int, function: Callable[..., Any], job: tuple) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return function(*job)
    finally:
        torch.set_num_threads(before)  # with one core joblib stays in this process
