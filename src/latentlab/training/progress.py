"""A progress bar that lives in the terminal and in the notebook, and leaves nothing in the notebook that differs between runs."""

import io

from tqdm import tqdm


class _NotebookLine(io.StringIO):
    """A file whose last line replaces a notebook output in place.

    A notebook stores an output's last state, a re-execution compares its first: both are the same fixed text here,
    and the moving states in between are updates that no file keeps.
    """

    def __init__(self, text: str):
        super().__init__()
        from IPython.display import display

        self.text = text
        self.handle = display({"text/plain": text}, raw=True, display_id=True)

    def write(self, line: str) -> int:
        if line.strip():
            self.handle.update({"text/plain": line.strip("\r\n")}, raw=True)
        return len(line)

    def finish(self) -> None:
        self.handle.update({"text/plain": self.text}, raw=True)


def _in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class Bar:
    """One bar from 0 to 100 % of the budget with the loss and the time left; `show=False` makes it silent."""

    def __init__(self, title: str, show: bool = True):
        self.line = _NotebookLine(f"{title}: done") if show and _in_notebook() else None
        layout = "{desc} {percentage:3.0f}%|{bar:24}| {elapsed}<{remaining}{postfix}"
        self.bar = tqdm(total=1.0, desc=title, bar_format=layout, file=self.line, ascii=False, disable=not show, mininterval=0.5)

    def update(self, fraction: float, note: str = "") -> None:
        self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(fraction - self.bar.n)

    def __enter__(self) -> "Bar":
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()
        if self.line is not None:
            self.line.finish()
