"""Where things lie: the course's folder, and the data folder."""

import os
from pathlib import Path


def repository() -> Path:
    """The course's folder: the nearest parent that holds src/latentlab; else this package's checkout; else ./latentlab."""
    here = Path.cwd()
    for folder in [here, *here.parents, *Path(__file__).resolve().parents[3:4], here / "latentlab"]:
        if (folder / "src" / "latentlab").is_dir():
            return folder
    return here


def data_root(root: str | Path | None = None) -> Path:
    """Where data lives: `root`, else $LATENTLAB_DATA, else the nearest `data/` from here upwards, else `./data`."""
    given = root or os.environ.get("LATENTLAB_DATA")
    if given:
        return Path(given).expanduser().resolve()
    here = Path.cwd()
    for parent in (here, *here.parents):
        if (parent / "data").is_dir() and not (parent / "data" / "__init__.py").exists():  # a Python package holds no data
            return parent / "data"
    return here / "data"
