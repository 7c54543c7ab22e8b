"""A progress bar for terminal and notebook; nothing is left in the notebook that differs between runs."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

LAYOUT = "{desc} {percentage:3.0f}%|{bar:24}| {elapsed}<{remaining}{postfix}"


class _NotebookLine(io.StringIO):
    """A file whose last line replaces a notebook output in place.

    A notebook stores an output's last state, a re-execution compares its first: let both be one fixed text.
    """

    def __init__(self, text: str):
        super().__init__()
        from IPython.display import display

        self.handle = display({"text/plain": text}, raw=True, display_id=True)

    def write(self, line: str) -> int:
        if line.strip():
            self.handle.update({"text/plain": line.strip("\r\n")}, raw=True)
        return len(line)


@contextmanager
def progress(title: str, show: bool = True) -> Iterator[Callable[..., None]]:
    """A bar from 0 to 1 of the budget: call what you get with the share that is done and a note. show=False: silent."""
    ipython = sys.modules.get("IPython")  # whoever runs in a notebook has imported it
    notebook = show and ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    line = _NotebookLine(f"{title}: done") if notebook else None
    bar = tqdm(total=1.0, desc=title, bar_format=LAYOUT, file=line, ascii=False, disable=not show, mininterval=0.5)

    def update(share: float, note: str = "") -> None:
        bar.set_postfix_str(note, refresh=False)
        bar.update(share - bar.n)

    try:
        yield update
    finally:
        bar.close()
        if line is not None:
            line.write(f"{title}: done")
