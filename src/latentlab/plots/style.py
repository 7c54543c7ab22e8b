"""One look for all figures, and how a figure reaches a page: once, as a PNG, with words beside it."""

import base64
import functools
import io
import sys
from collections.abc import Callable, Iterable

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

# The background is opaque and nearly white, so that a figure looks the same on a light and on a dark page.
BACKGROUND = "#FAFAF8"
INK = "#1A1A1A"
FAINT = "#6B6B6B"

# Okabe and Ito's blue, vermillion and green, and seven more found by search: every colour has a contrast of at least
# 3 : 1 with the background, and any two differ (ΔE of CIELAB ≥ 15) for full and for all three kinds of colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#222222", "#AA3377", "#664400", "#FF22DD", "#0000FF", "#EE0055", "#7711BB")
# Colour never carries a meaning alone: the n-th colour comes with the n-th marker and line style.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", "*", ">")
LINES = ("-", "--", "-.", ":")

STYLE = {
    **dict.fromkeys(["figure.facecolor", "savefig.facecolor", "axes.facecolor"], BACKGROUND),
    **dict.fromkeys(["axes.labelcolor", "axes.titlecolor", "text.color", "xtick.color", "ytick.color"], INK),
    **dict.fromkeys(["axes.spines.top", "axes.spines.right", "legend.frameon"], False),
    **dict.fromkeys(["axes.grid", "axes.axisbelow"], True),
    **dict.fromkeys(["font.size", "axes.labelsize"], 10.0),
    **dict.fromkeys(["savefig.dpi", "figure.dpi"], 120.0),
    **{"axes.edgecolor": FAINT, "axes.titlesize": 11.0, "lines.linewidth": 1.6},
    **{"grid.color": "#DDDDDA", "grid.linewidth": 0.6, "axes.prop_cycle": matplotlib.cycler(color=PALETTE)},
}


def use_style() -> None:
    """Give pyplot figures of the reader's own the course's look. The functions of this package have it anyway."""
    matplotlib.rcParams.update(STYLE)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Decorator: draw under the course's style, whatever the session's settings are, and leave those as they were."""

    @functools.wraps(draw)
    def inside(*args, **kwargs):
        with matplotlib.rc_context(STYLE):
            return draw(*args, **kwargs)

    return inside


def approx(value: float, unit: str = "", digits: int | None = 1) -> str:
    """A measured number in words: approx(86.23, "%") is "≈ 86.2 %". digits=None: three significant digits."""
    # Strict comparison of notebooks leaves out the number after "≈" and nothing else.
    number = f"{value:z.3g}" if digits is None else f"{value:z.{digits}f}"
    return f"≈ {number.replace('-', '−', 1) if number.startswith('-') else number}" + (f" {unit}" if unit else "")


def listed(items: Iterable[str]) -> str:
    """Words in a row: "a", "a and b", "a, b and c"."""
    words = list(items)
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def describe(fig: Figure, alt: str, title: str = "", **place: object) -> Figure:
    """Attach the alternative text, after a title above the figure if it has one. Raises ValueError if it is empty."""
    if not alt.strip():
        raise ValueError("A figure needs alternative text: say what it shows.")
    if title:
        fig.suptitle(title, **place)
        alt = f"{title}. {alt}"
    # The layout is settled here and then left alone: otherwise every drawing would move it a little.
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    fig.alt = alt
    return fig


def png(fig: Figure) -> bytes:
    """The figure as a PNG of the 256 colours that suit it best, a third of the size; of all with `fig.full_colour`."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png", facecolor=fig.get_facecolor())
    picture = Image.open(drawn).convert("RGB")
    if not getattr(fig, "full_colour", False):
        picture = picture.quantize(256, dither=Image.Dither.NONE)
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def show(fig: Figure) -> None:
    """Show a figure once, as a PNG with its alternative text (`fig.alt`), print "Figure: <alt>", and close it.

    The text stands in the output's metadata, where nbconvert's classic template finds it, and is printed because
    JupyterLab shows none. A plain Python session prints it only. ValueError if the figure has no alternative text.
    """
    alt = getattr(fig, "alt", "")
    if not alt:
        raise ValueError("This figure has no alternative text. Set fig.alt to one sentence that says what it shows.")
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        from IPython.display import display

        data = {"image/png": base64.b64encode(png(fig)).decode(), "text/plain": "<Figure>"}
        display(data, metadata={"image/png": {"alt": alt}}, raw=True)
    print(f"Figure: {alt}")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:  # else no figure is registered anywhere
        pyplot.close(fig)
