"""Execute notebooks, write pages, end with a table: `python -m latentlab.publish.runner notebooks --out build`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat
from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from tqdm import tqdm

from latentlab.course import render
from latentlab.course.setup import PROFILES, profile_from_environment
from latentlab.training import write_atomically

from . import pages
from .page import about, as_page, facts, figure
from .pages import Result

CELL_TIMEOUT = {"quick": 600, "full": None}  # seconds per cell; a long run decides for itself when it ends


def run_notebooks(
    paths: Iterable[str | Path], out: str | Path, profile: str = "quick",
    *, in_place: bool = False, timeout: int | None = None, stored: bool = False,
) -> list[Result]:  # fmt: skip
    """Execute every notebook in a fresh kernel of this Python; write `out`/<name>.html and `out`/index.html.

    paths: notebooks or folders of them. in_place: write the outputs back into the notebooks that did not fail, without
    what changes from run to run. timeout: seconds for one cell. stored: execute nothing, show the stored outputs.
    Raises FileNotFoundError if a path does not exist or there is no notebook.
    """
    notebooks, folder = find_notebooks(paths), Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    timeout = CELL_TIMEOUT[profile] if timeout is None else timeout
    results = []
    for path in notebooks:
        results.append(result := run_notebook(path, folder, profile, timeout, in_place, stored))
        print(f"{result.name:<34} {result.seconds / 60:5.1f} min  {result.summary()}", flush=True)
        for problem in [result.error] * bool(result.error) + result.about["unshown"][:5]:
            print(problem, file=sys.stderr, flush=True)
    pages.write(results, folder, profile)
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


def run_notebook(path: Path, folder: Path, profile: str, timeout: int | None, in_place: bool, stored: bool) -> Result:
    """Execute one notebook, write its page, say what became of it. An error ends this notebook, not the run."""
    notebook = nbformat.read(path, as_version=4)
    start = time.perf_counter()
    error = "" if stored else execute(notebook, path, profile, timeout)
    seconds = 0.0 if stored else time.perf_counter() - start
    found = [fact for cell in notebook.cells for fact in facts(cell)]
    make_reproducible(notebook)
    source = Path(os.path.relpath(path, folder)).as_posix()
    html = as_page(notebook, path.stem, error, source, str(path.parent))
    card = about(notebook, html) | {"source": source, "figure": False}
    if shown := figure(notebook):
        write_atomically(folder / f"{path.stem}.png", shown[0])
        card |= {"figure": True, "alt": shown[1]}
    write_atomically(folder / f"{path.stem}.html", html.encode())
    if in_place and not error:
        write_atomically(path, (nbformat.writes(notebook) + "\n").encode())
    return Result(path.stem, folder / f"{path.stem}.html", seconds, found, error, card)


def execute(notebook: NotebookNode, path: Path, profile: str, timeout: int | None) -> str:
    """Run all cells of `notebook` in its folder, as Jupyter does. Returns "" or what went wrong in three lines."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    begun: list[NotebookNode] = []
    options = {"timeout": timeout, "record_timing": False, "coalesce_streams": True, "kernel_manager_class": ThisPython}
    options["resources"] = {"metadata": {"path": str(path.resolve().parent)}}
    options["extra_arguments"] = ["--log-level=40"]  # errors only
    with tqdm(total=len(cells), desc=path.stem, unit="cell", leave=False, disable=None) as bar:
        client = NotebookClient(notebook, **options)
        client.on_cell_execute = lambda cell, **_: begun.append(cell)
        client.on_cell_executed = lambda **_: bar.update()
        try:
            client.execute(env={**os.environ, "LATENTLAB_PROFILE": profile})
        except (CellExecutionError, CellTimeoutError, RuntimeError) as problem:
            return explain(path, cells, begun, problem)
    return ""


class ThisPython(AsyncKernelManager):
    """Starts the Python that runs this line as the kernel, whatever "python3" kernels the user's home may hold."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


def explain(path: Path, cells: Sequence[NotebookNode], begun: Sequence[NotebookNode], problem: Exception) -> str:
    """Notebook, cell and error in three lines."""
    known = {CellTimeoutError: "The cell took longer than its time limit (--timeout, in seconds)."}
    known[DeadKernelError] = "The kernel died. A common cause is too little memory."
    message = known.get(type(problem), f"The kernel did not work: {problem}")
    if isinstance(problem, CellExecutionError):
        message = f"{problem.ename}: {problem.evalue}"
    error = re.sub(r"\x1b\[[0-9;]*m", "", " ".join(message.split()))  # without colours
    code = [line.strip() for line in begun[-1].source.splitlines() if line.strip()] if begun else ["(none begun)"]
    return f"  notebook: {path}\n  code cell {len(begun)} of {len(cells)}: {code[0]}\n  error: {error}"


def make_reproducible(notebook: NotebookNode) -> None:
    """Remove from an executed notebook what differs between two runs or two machines."""
    for key in ("widgets", "signature", "papermill"):
        notebook.metadata.pop(key, None)
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata |= nbformat.from_dict({"kernelspec": python, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{number}")
        for key in ("execution", "collapsed", "scrolled", "ExecuteTime"):
            cell.metadata.pop(key, None)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns 0, or 1 if a cell failed, or 2 if there was nothing to run."""
    parser = argparse.ArgumentParser(prog="python -m latentlab.publish.runner", description=__doc__)
    parser.add_argument("paths", nargs="+", help="notebooks, or folders of notebooks")
    parser.add_argument("--out", default="build", help="folder for the executed pages (default: build)")
    parser.add_argument("--profile", choices=PROFILES, help="default: LATENTLAB_PROFILE, else quick")
    parser.add_argument("--in-place", action="store_true", help="also refresh the outputs stored in the notebooks")
    parser.add_argument("--timeout", type=int, help="seconds one cell may take (default: 600 in quick, none in full)")
    parser.add_argument("--stored", action="store_true", help="execute nothing: pages from the outputs that are stored")
    options = parser.parse_args(arguments)
    try:
        results = run_notebooks(**vars(options) | {"profile": options.profile or profile_from_environment()})
    except (FileNotFoundError, ValueError, nbformat.ValidationError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(f"\n{render.table_text(pages.HEADER, pages.rows(results))}\n")
    print(f"Open {(Path(options.out).resolve() / 'index.html').as_uri()}")
    return int(any(result.error for result in results))


if __name__ == "__main__":
    sys.exit(main())
