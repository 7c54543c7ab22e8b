"""What a student handed in, in whatever state. As a script: parse one notebook, with limits of memory and time."""

from __future__ import annotations

import json
import os
import re
import resource
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

MEMORY, SECONDS = 3 << 30, 120  # for parsing one notebook
SOURCE, FILES = 1 << 20, 30  # at most: characters of all cells of a notebook, notebooks of one student


def students(folder: Path, out: Path) -> dict[str, list[Path]]:
    """Each student's files: a file is named after its student, a folder holds all of one; no hidden ones, not `out`."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.startswith((".", "~")) and path.resolve() != out.resolve():
            whole = path.is_dir() and not path.is_symlink()
            name, files = (path.name, notebooks(path)) if whole else (path.stem, [path])
            found.setdefault(readable(name), []).extend(files)
    return found


def notebooks(folder: Path) -> Iterator[Path]:
    """The notebooks in a folder, without checkpoints; links to folders are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        seen = sorted(name for name in files if name.endswith(".ipynb") and not name.startswith((".", "~")))
        yield from (Path(place, name) for name in seen)


def read(files: Sequence[Path]) -> tuple[list[dict[str, str]], list[str]]:
    """All code cells (file, id, source) and what has to be said about the files. Never raises for what is in them."""
    cells: list[dict[str, str]] = []
    remarks = [] if files else ["There is no notebook (*.ipynb)."]
    if len(files) > FILES:
        remarks = [f"There are {len(files)} notebooks: only the first {FILES} are read."]
    for path in files[:FILES]:
        try:
            with open(opened(path), "rb") as file:
                command = [sys.executable, "-I", "-S", "-B", __file__]
                done = subprocess.run(command, stdin=file, capture_output=True, env={"LC_ALL": "C.UTF-8"})
            if done.returncode:
                raise ValueError("It is too large or too deep to be read")
            found = json.loads(done.stdout)
            remarks += [f"{readable(path.name)}: {remark}" for remark in found["remarks"]]
            cells += [{"file": readable(path.stem), **cell} for cell in found["cells"]]
        except (OSError, ValueError) as problem:
            remarks.append(f"{readable(path.name)}: {getattr(problem, 'strerror', problem)}.")
    return cells, remarks


def opened(path: Path) -> int:
    """A file descriptor of a regular file. Raises ValueError for links, pipes and devices."""
    if path.is_symlink():
        raise ValueError("It is a link; links are not followed")
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise ValueError("It is no file")
    return number


def useful(notebook: Any) -> dict[str, Any]:
    """Code cells (id, source) and remarks of a notebook of any format: lines or text, in worksheets or not."""
    found, left = [], SOURCE
    for cell in (c for sheet in notebook.get("worksheets") or [notebook] for c in sheet.get("cells", [])):
        if cell.get("cell_type") == "code":
            source = cell.get("source", cell.get("input", ""))
            source = source if isinstance(source, str) else "".join(line for line in source if isinstance(line, str))
            marks = cell.get("metadata", {}).get("nbgrader", {})
            mark = str(marks.get("grade_id", "")) if isinstance(marks, dict) else ""  # "10-a": nbgrader knows no dot
            left -= len(source)
            if left >= 0:
                found.append({"id": readable(mark)[:100].replace(".", "-"), "source": readable(source)})
    remarks = ["There is more than 1 MB of code: the rest is not read."] if left < 0 else []
    kernel = str((notebook.get("metadata") or {}).get("kernelspec", {}).get("name", "python3"))
    if not re.match(r"i?py", kernel):
        remarks.append(f"The kernel is called {readable(kernel)[:40]!r}; the cells are run as Python all the same.")
    if notebook.get("nbformat") != 4:
        remarks.append(f"The notebook format is {str(notebook.get('nbformat'))[:10]}, not 4; read as far as possible.")
    return {"cells": found, "remarks": remarks}


def readable(text: str) -> str:
    """`text` without halves of characters, which no file can hold."""
    return text.encode(errors="replace").decode()


if __name__ == "__main__":  # a notebook comes in on standard input, what is of use goes out as JSON
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        answer = useful(json.load(sys.stdin.buffer))
    except (ValueError, AttributeError, TypeError) as problem:
        what = "or a damaged one: no JSON" if isinstance(problem, ValueError) else "only JSON"
        answer = {"cells": [], "remarks": [f"It is no notebook, {what}."]}
    print(json.dumps(answer))
