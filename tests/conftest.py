"""What several test files look at and which takes long to make."""

import os

import pytest
from filelock import FileLock

from latentlab.data import repository
from latentlab.publish import runner


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The pages of all notebooks, from the outputs that are stored in them; made once for all workers of a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "site"
    with FileLock(f"{folder}.lock"):
        if not (folder / "index.html").exists():
            runner.run_notebooks([repository() / "notebooks"], folder, stored=True)
    return folder
