"""Seconds per notebook, and per cell over five; fails over the budget of two cores: `python benchmarks/times.py`."""

import sys
import time
from datetime import datetime
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
BUDGET = {"00_start_here": 20, "12_simclr_review": 120}  # seconds; all others
OTHERS, SLOW = 90, 5.0


def seconds(cell: nbformat.NotebookNode) -> float:
    """How long the kernel was busy with a cell."""
    at = {k: datetime.fromisoformat(v.replace("Z", "+00:00")) for k, v in cell.metadata.get("execution", {}).items()}
    return (at["shell.execute_reply"] - at["iopub.execute_input"]).total_seconds() if len(at) == 4 else 0.0


def main() -> int:
    total, over = 0.0, []
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        notebook, start = nbformat.read(path, as_version=4), time.perf_counter()
        NotebookClient(
            notebook, timeout=900, record_timing=True, resources={"metadata": {"path": str(path.parent)}}
        ).execute()
        took = time.perf_counter() - start
        total += took
        budget = BUDGET.get(path.stem, OTHERS)
        over += [path.stem] if took > budget else []
        slow = {i: seconds(cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
        cells = ", ".join(f"cell {i} {s:.0f}" for i, s in slow.items() if s > SLOW)
        print(f"{path.stem:<34} {took:6.1f} s of {budget:3d}  {cells}", flush=True)
    print(f"together {total / 60:.1f} minutes; over budget: {', '.join(over) or 'none'}")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
