"""Execute notebooks, write them as web pages, and end with a table: `python -m latentlab.course.runner notebooks --out build`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from tqdm import tqdm

from . import render
from .claims import OPEN, VERDICTS, ledger
from .setup import PROFILES

CELL_TIMEOUT = {"quick": 600, "full": None}  # seconds per cell; a long run decides for itself when it ends
ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Result:
    """What became of one notebook."""

    name: str
    page: Path
    seconds: float
    facts: list[dict[str, Any]] = field(default_factory=list)  # what the claim and answer cells left in their outputs
    error: str = ""  # three lines: notebook, cell, error; empty if all cells ran

    @property
    def verdicts(self) -> Counter[str]:
        """How often each verdict was reached."""
        return Counter(fact["verdict"] for fact in self.facts if "verdict" in fact)

    @property
    def disagreements(self) -> list[str]:
        """Ids whose computed verdict or answer is not the ledger's."""
        return [fact["id"] for fact in self.facts if fact.get("verdict", fact.get("answer")) not in (expected(fact), None)]

    def summary(self) -> str:
        """One line of words, like "12 confirmed, 2 refuted"."""
        words = [f"{self.verdicts[verdict]} {verdict}" for verdict in VERDICTS if self.verdicts[verdict]]
        answers = sum("answer" in fact for fact in self.facts)
        words += [f"{answers} answered"] if answers else []
        words += [f"NOT AS IN THE LEDGER: {' '.join(self.disagreements)}"] if self.disagreements else []
        words += ["STOPPED AT AN ERROR"] if self.error else []
        return ", ".join(words) or "no claims"


def run_notebooks(
    paths: Iterable[str | Path], out: str | Path, profile: str = "quick", *, in_place: bool = False, timeout: int | None = None
) -> list[Result]:
    """Execute every notebook in a fresh kernel of this Python; write `out`/<name>.html and `out`/index.html.

    paths: notebook files or folders of them. profile: "quick" or "full". in_place: also write the outputs back into the notebooks,
    without anything that changes from run to run; a notebook that fails keeps the outputs it had.
    timeout: seconds one cell may take. Raises FileNotFoundError if a path does not exist or there is no notebook.
    """
    if profile not in PROFILES:
        raise ValueError(f"The profile is {profile!r}; it must be one of {', '.join(PROFILES)}.")
    notebooks, folder = find_notebooks(paths), Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    limit = CELL_TIMEOUT[profile] if timeout is None else timeout
    results = []
    for path in notebooks:
        result = run_notebook(path, folder, profile, limit, in_place)
        results.append(result)
        print(f"{result.name:<34} {result.seconds / 60:5.1f} min  {result.summary()}", flush=True)
        if result.error:
            print(result.error, file=sys.stderr, flush=True)
    write_atomically(folder / "index.html", index_html(results, profile))
    return results


def find_notebooks(paths: Iterable[str | Path]) -> list[Path]:
    """Notebook files named by `paths`, folders opened, in order of name."""
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"{path} does not exist. Give notebook files, or a folder that holds some.")
        found += sorted(path.glob("*.ipynb")) if path.is_dir() else [path]
    if not found:
        raise FileNotFoundError(f"No notebook (*.ipynb) in {', '.join(map(str, paths))}.")
    return found


def run_notebook(path: Path, folder: Path, profile: str, timeout: int | None, in_place: bool) -> Result:
    """Execute one notebook, write its page, and say what became of it. An error in a cell ends this notebook, not the run."""
    notebook = nbformat.read(path, as_version=4)
    page = folder / f"{path.stem}.html"
    start = time.perf_counter()
    error = execute(notebook, path, profile, timeout)
    result = Result(path.stem, page, time.perf_counter() - start, list(facts(notebook)), error)
    make_reproducible(notebook)
    write_atomically(page, HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": path.stem}})[0])
    if in_place and not error:
        write_atomically(path, nbformat.writes(notebook) + "\n")
    return result


def execute(notebook: NotebookNode, path: Path, profile: str, timeout: int | None) -> str:
    """Run all cells of `notebook`, outputs in place. Returns "" or what went wrong in three lines.

    The kernel runs in the notebook's folder, as in Jupyter, VS Code and nbval, so that a relative path means the same everywhere.
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    # The bar shows only on a terminal and leaves nothing behind.
    with tqdm(total=len(cells), desc=path.stem, unit="cell", leave=False, disable=None) as bar:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            record_timing=False,
            store_history=True,
            coalesce_streams=True,
            resources={"metadata": {"path": str(path.resolve().parent)}},
            kernel_manager_class=ThisPython,
            extra_arguments=["--log-level=40"],  # errors only: a hint about its transport does not concern the reader
            on_cell_executed=lambda **_: bar.update(),
        )
        try:
            client.execute(env={**os.environ, "LATENTLAB_PROFILE": profile})
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
            return explain(path, cells, problem)
    return ""


class ThisPython(AsyncKernelManager):
    """Starts the Python that runs this line as the kernel, whatever "python3" kernels the user's home may hold."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


def explain(path: Path, cells: Sequence[NotebookNode], problem: Exception) -> str:
    """Notebook, cell and error in three lines."""
    number, cell = next(((i, cell) for i, cell in enumerate(cells, 1) if has_error(cell)), (0, None))
    if cell is None:  # a time-out or a dead kernel leaves no error output: the last cell that was begun
        number, cell = max(((i, cell) for i, cell in enumerate(cells, 1) if cell.execution_count or i == 1), key=lambda x: x[0])
    if isinstance(problem, CellExecutionError):
        message = f"{problem.ename}: {problem.evalue}"
    elif isinstance(problem, CellTimeoutError):
        message = "The cell took longer than its time limit (--timeout, in seconds)."
    else:
        message = "The kernel died. A common cause is too little memory."
    first = next((line.strip() for line in cell.source.splitlines() if line.strip()), "(empty)")
    error = ANSI.sub("", " ".join(message.split()))
    return f"  notebook: {path}\n  code cell {number} of {len(cells)}: {first}\n  error: {error}"


def has_error(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.get("outputs", []))


def facts(notebook: NotebookNode) -> Iterable[dict[str, Any]]:
    """What `claim` and `answer` left in the outputs' metadata."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            fact = output.get("metadata", {}).get("latentlab")
            if fact and "id" in fact:
                yield dict(fact)


def expected(fact: dict[str, Any]) -> str | None:
    """The ledger's verdict or answer for a fact; None while the ledger is open or does not know the id."""
    table = "claims" if "verdict" in fact else "answers"
    entry = ledger().get(table, {}).get(fact["id"], {})
    word = fact.get("ledger", entry.get("verdict" if table == "claims" else "answer"))
    return None if word == OPEN else word


def make_reproducible(notebook: NotebookNode) -> None:
    """Remove from an executed notebook what differs between two runs or two machines."""
    notebook.metadata = nbformat.from_dict(
        {
            **{key: value for key, value in notebook.metadata.items() if key not in ("widgets", "signature", "papermill")},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{number}")
        for key in ("execution", "collapsed", "scrolled", "ExecuteTime"):
            cell.metadata.pop(key, None)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the new one, never half of it."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


HEADER = ("notebook", "minutes", *VERDICTS, "answered", "not as in the ledger", "errors")


def table_rows(results: Sequence[Result]) -> list[list[str]]:
    """One row of text per notebook, and a last one with the sums."""
    rows = []
    for result in results:
        counts = [result.verdicts[verdict] for verdict in VERDICTS]
        rows.append([result.seconds / 60, *counts, sum("answer" in f for f in result.facts), len(result.disagreements), bool(result.error)])
    rows.append([sum(column) for column in zip(*rows, strict=True)])
    names = [*(result.name for result in results), "all"]
    return [[name, f"{minutes:.1f}", *(str(int(n)) for n in counts)] for name, (minutes, *counts) in zip(names, rows, strict=True)]


def index_html(results: Sequence[Result], profile: str) -> str:
    """The page that links all executed notebooks, with the table of verdicts."""
    table = render.table_html(HEADER, table_rows(results), f"Executed in the {profile} profile")
    for result in results:
        table = table.replace(f">{escape(result.name)}</th>", f'><a href="{escape(result.page.name)}">{escape(result.name)}</a></th>', 1)
    errors = "".join(f"<h2>{escape(result.name)} stopped at an error</h2><pre>{escape(result.error)}</pre>" for result in results if result.error)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        "<title>latentlab</title><style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:2rem auto;"
        f"max-width:64rem;padding:0 1rem}}pre{{overflow:auto}}</style></head><body><h1>latentlab</h1>{table}{errors}</body></html>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 if a cell failed, or 2 if there was nothing to run."""
    parser = argparse.ArgumentParser(prog="python -m latentlab.course.runner", description=__doc__)
    parser.add_argument("paths", nargs="+", help="notebooks, or folders of notebooks")
    parser.add_argument("--out", default="build", help="folder for the executed pages (default: build)")
    parser.add_argument("--profile", choices=PROFILES, default="quick")
    parser.add_argument("--in-place", action="store_true", help="also refresh the outputs stored in the notebooks")
    parser.add_argument("--timeout", type=int, help="seconds one cell may take (default: 600 in the quick profile, no limit in full)")
    options = parser.parse_args(arguments)
    try:
        results = run_notebooks(options.paths, options.out, options.profile, in_place=options.in_place, timeout=options.timeout)
    except (FileNotFoundError, nbformat.reader.NotJSONError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"\n{render.table_text(HEADER, table_rows(results))}\n")
    print(f"Open {(Path(options.out).resolve() / 'index.html').as_uri()}")
    return int(any(result.error for result in results))


if __name__ == "__main__":
    sys.exit(main())
