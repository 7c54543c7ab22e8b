"""The benchmarks' table: each row is ours beside a peer in one run; a complete run writes results.json."""

import datetime
import importlib.metadata
import json
import os
import platform
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scikit-learn",
    "lightly",
    "pytorch-metric-learning",
    "faiss-cpu",
    "nflows",
    "zuko",
    "pillow",
)


class Results:
    """Rows of the table. The ratio says how many times better ours is: more of a rate, less of seconds or megabytes."""

    def __init__(self):
        self.rows: list[dict] = []

    def add(self, name: str, ours: float, peer: float, peer_name: str, unit: str = "s") -> float:
        """Enter one comparison and return its ratio; a unit that ends in "/s" is a rate, any other a cost."""
        ratio = ours / peer if unit.endswith("/s") else peer / ours
        row = {"name": name, "ours": ours, "peer": peer, "peer name": peer_name, "unit": unit, "ratio": ratio}
        self.rows.append(
            {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in row.items()}
        )
        return ratio


def machine() -> dict[str, str | int]:
    """Processor, cores, system, versions, date: what a reader needs to judge the numbers."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "load before": round(os.getloadavg()[0], 2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **versions,
    }


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.bench_results, session.config.bench_machine = Results(), machine()


@pytest.fixture
def results(request: pytest.FixtureRequest) -> Results:
    return request.config.bench_results


@pytest.fixture(autouse=True)
def one_core():
    """Every comparison runs on one thread, so that a second job on the machine harms neither side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield
    torch.set_num_threads(before)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    ran = {Path(item.path).name for item in session.items}
    complete = ran == {path.name for path in FOLDER.glob("test_*.py")} and not session.config.getoption("keyword")
    rows = session.config.bench_results.rows
    if exitstatus or not complete or not rows:
        return
    beside = RESULTS.with_suffix(".tmp")
    beside.write_text(
        json.dumps({"machine": session.config.bench_machine, "rows": rows}, indent=1, ensure_ascii=False) + "\n"
    )
    os.replace(beside, RESULTS)
    print(f"\n{'':72s} {'ours':>9s} {'peer':>9s} {'ratio':>6s}")
    for row in rows:
        print(
            f"{row['name'] + ' / ' + row['peer name']:72.72s} {row['ours']:9.4g} {row['peer']:9.4g} {row['ratio']:6.2f}"
        )
