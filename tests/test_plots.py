"""Figures: what they draw, what their words say, and whether they can be read."""

import base64
import io
import itertools
import re
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from latentlab import plots
from latentlab.plots import style
from latentlab.plots.curves import smooth

# Simulation of full colour blindness in linear RGB (Machado, Oliveira & Fernandes 2009, severity 1).
VISION = {
    "normal": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    c = np.array(to_rgb(colour))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(one, two):
    """WCAG 2 contrast ratio, 1 to 21."""
    bright, dark = sorted((float(TO_XYZ[1] @ linear(c)) + 0.05 for c in (one, two)), reverse=True)
    return bright / dark


def lab(rgb):
    t = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def history(n=120, epochs=4, factor=0.1):
    fall = np.geomspace(1, factor, n)
    samples = 32 * np.arange(1, n + 1)
    last = (np.arange(1, epochs + 1) * n // epochs) - 1
    test = {
        "samples": samples[last],
        "epoch": np.arange(1, epochs + 1),
        "falling": fall[last],
        "rising": 1 / fall[last],
    }
    return {"train": {"samples": samples, "falling": fall, "rising": 1 / fall}, "test": test}


def points(n=60, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, 2)), rng.integers(0, classes, n)


def example_figures():
    xy, labels = points()
    quality = {"near": {"knn_map": 0.9, "trustworthiness": 0.8}, "far": {"knn_map": 0.4, "trustworthiness": 0.7}}
    images = torch.arange(2 * 3 * 3 * 8 * 8).reshape(2, 3, 3, 8, 8).to(torch.uint8)
    return {
        "curves": plots.loss_curves(history(), ["falling", "rising"]),
        "bars": plots.accuracy_bars(
            [("a", 90.0, 88, 92), ("a longer name", 40.0, 37, 43)], {"report": 72.42, "chance": 10}
        ),
        "lines": plots.lines(
            {"a": ([1, 2], [3, 4]), "b": ([1, 2], [5, 6])}, x="time (minutes)", y="accuracy (%)", title="Two"
        ),
        "maps": plots.map_pair({"near": xy, "far": 1000 * xy}, labels, ["x", "y", "z"], quality),
        "grid": plots.image_grid(images, ["first row", "second row"], ["1.", "2.", "3."], title="Pictures"),
        "views": plots.view_grid(images[:, 0], torch.rand(2, 4, 3, 5, 5)),
    }


FIGURES = example_figures()


def test_colours_stand_out_from_the_background_and_text_is_legible():
    assert all(contrast(c, style.BACKGROUND) >= 3 for c in style.PALETTE)  # WCAG 1.4.11, graphics
    assert contrast(style.INK, style.BACKGROUND) >= 7  # WCAG 1.4.6, text
    assert contrast(style.FAINT, style.BACKGROUND) >= 4.5
    assert contrast("white", "black") == pytest.approx(21)


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_for_every_kind_of_colour_vision(vision):
    seen = [lab(np.asarray(VISION[vision]) @ linear(c)) for c in style.PALETTE]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) >= 15


def test_every_colour_has_a_marker_of_its_own():
    assert len(set(style.PALETTE)) == len(set(style.MARKERS)) == 10


@pytest.mark.parametrize("name", FIGURES)
def test_figure_has_words_an_opaque_background_and_nothing_cut_off(name):
    fig = FIGURES[name]
    assert isinstance(fig, Figure) and len(fig.alt) > 30 and fig.alt.endswith(".")
    assert to_rgb(fig.get_facecolor()) == to_rgb(style.BACKGROUND) and fig.get_facecolor()[3] == 1
    data = style.png(fig)
    assert data.startswith(b"\x89PNG") and len(data) < 200_000 and data == style.png(fig)
    box = fig.get_tightbbox()
    width, height = fig.get_size_inches()
    assert box.x0 >= -0.01 and box.y0 >= -0.01 and box.x1 <= width + 0.01 and box.y1 <= height + 0.01


@pytest.mark.parametrize("name", ["curves", "lines", "maps", "bars"])
def test_axes_are_labelled_with_units_and_legends_lie_outside_the_data(name):
    fig = FIGURES[name]
    fig.canvas.draw()
    assert all("(" in ax.get_xlabel() for ax in fig.axes)
    assert name == "bars" or all("(" in ax.get_ylabel() for ax in fig.axes)
    assert len(fig.legends) == 1 and not any(ax.get_legend() for ax in fig.axes)
    legend = fig.legends[0].get_window_extent()
    for ax in fig.axes:
        texts = [ax.xaxis.label.get_window_extent(), ax.get_window_extent()]
        assert not any(legend.overlaps(box) for box in texts)


def test_figures_ignore_and_keep_the_sessions_settings():
    with matplotlib.rc_context({"figure.facecolor": "red", "font.size": 30.0}):
        fig = plots.accuracy_bars([("a", 50.0, 40, 60)], {})
        assert matplotlib.rcParams["figure.facecolor"] == "red"
    assert to_rgb(fig.get_facecolor()) == to_rgb(style.BACKGROUND)
    with matplotlib.rc_context():
        plots.use_style()
        assert matplotlib.rcParams["axes.facecolor"] == style.BACKGROUND


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((86.23, "%"), "≈ 86.2 %"),
        ((0.5,), "≈ 0.5"),
        ((-1.25, "nats", 2), "≈ −1.25 nats"),
        ((0.000123, "", None), "≈ 0.000123"),
    ],
)
def test_approx(args, text):
    assert plots.approx(*args) == text


def words(text):
    """What strict comparison sees: the text without the numbers after "≈"."""
    return re.sub(r"≈ −?[\d.]+(e[+-]?\d+)?", "≈", text)


def test_loss_curves_say_where_they_begin_and_end():
    run = history(factor=0.1)
    alt = plots.loss_curves(run, ["falling", "rising"]).alt
    mean = smooth(run["train"]["falling"], len(run["train"]["falling"]) // 40)
    begun, ended, tested = (f"≈ {v:.3g}" for v in (mean[0], mean[-1], run["test"]["falling"][-1]))
    assert f"falling from {begun} to {ended}, on the test set {tested};" in alt
    scales = [plots.loss_curves(history(factor=f), ["falling"]).axes[0].get_yscale() for f in (0.1, 0.01)]
    assert scales == ["linear", "log"]  # by whether values span more than a factor of 20
    # Another machine, another number of batches: other numbers, same words.
    assert (
        words(alt) == words(plots.loss_curves(history(n=200, epochs=5, factor=0.2), ["falling", "rising"]).alt) != alt
    )


def test_loss_curves_draw_test_values_where_they_were_measured():
    run = history()
    for against, expected in (("samples", run["test"]["samples"] / 1000), ("epoch", run["test"]["epoch"])):
        ax = plots.loss_curves(run, ["falling"], against=against).axes[0]
        raw, _, test = ax.get_lines()
        assert np.allclose(test.get_xdata(), expected) and np.allclose(test.get_ydata(), run["test"]["falling"])
        assert raw.get_xdata()[-1] == pytest.approx(expected[-1])  # the last batch ends the last epoch


def test_loss_curves_refuse_what_they_cannot_draw():
    run = history()
    with pytest.raises(ValueError, match="nonsense"):
        plots.loss_curves(run, ["nonsense"])
    with pytest.raises(ValueError, match="against"):
        plots.loss_curves(run, ["falling"], against="time")
    run["train"]["falling"] = np.append(run["train"]["falling"][:-1], np.nan)
    with pytest.raises(ValueError, match="falling.*not finite"):
        plots.loss_curves(run, ["falling"])


@pytest.mark.parametrize("window", [1, 2, 5, 50])
def test_smooth_is_a_mean_and_keeps_straight_lines(window):
    assert np.allclose(smooth(np.full(30, 2.5), window), 2.5)
    middle = slice(window // 2, 30 - window // 2)
    shift = 0.5 * (window % 2 == 0)
    assert np.allclose(smooth(np.arange(30.0), window)[middle], np.arange(30.0)[middle] - shift)


def test_bars_show_intervals_and_claim_a_winner_only_when_it_is_clear():
    fig = FIGURES["bars"]
    assert [bar.get_width() for bar in fig.axes[0].patches[:2]] == [90, 40]
    assert "a ≈ 90.0 % and a longer name ≈ 40.0 %" in fig.alt and "Highest: a." in fig.alt and "report 72.42" in fig.alt
    assert "Highest" not in plots.accuracy_bars([("a", 60.0, 59, 61), ("b", 57.0, 56, 58)], {}).alt  # apart, but near
    whisker = plots.accuracy_bars([("a", 50.0, 40, 70)], {}).axes[0].collections[0].get_segments()[0]
    assert whisker[:, 0].tolist() == [40, 70]
    assert "Highest" not in plots.accuracy_bars([("a", 60.0, 57, 63), ("b", 58.0, 55, 61)], {}).alt
    with pytest.raises(ValueError, match="finite"):
        plots.accuracy_bars([("a", float("nan"), 0, 1)], {})
    with pytest.raises(ValueError, match="at least one"):
        plots.accuracy_bars([], {})


def test_lines_refuse_what_does_not_fit():
    with pytest.raises(ValueError, match="'a' has 2 places for 3 values"):
        plots.lines({"a": ([1, 2], [1, 2, 3])}, x="x", y="y", title="")
    with pytest.raises(ValueError, match="11 lines"):
        plots.lines({str(i): ([1], [1]) for i in range(11)}, x="x", y="y", title="")


def test_maps_draw_every_point_once_and_compare_only_clear_differences():
    xy, labels = points()
    fig = FIGURES["maps"]
    drawn = np.concatenate([c.get_offsets() for c in fig.axes[0].collections if len(c.get_offsets())])
    assert np.allclose(np.sort(drawn, axis=0), np.sort(xy, axis=0))
    assert "60 images of 3 classes (x, y and z)" in fig.alt and "easiest to tell apart in near" in fig.alt
    assert "near: class told by neighbours in the map ≈ 90.0 %; trustworthiness ≈ 0.80." in fig.alt
    middle = [sum(limits) / 2 for limits in (fig.axes[0].get_xlim(), fig.axes[0].get_ylim())]
    assert middle == pytest.approx((xy.max(0) + xy.min(0)) / 2)
    close = {"near": {"knn_map": 0.5}, "far": {"knn_map": 0.45}}
    assert "easiest" not in plots.map_pair({"near": xy, "far": xy}, labels, ["x", "y", "z"], close).alt
    with pytest.raises(ValueError, match="'near' has shape"):
        plots.map_pair({"near": xy[:-1]}, labels, ["x", "y", "z"], {})
    with pytest.raises(ValueError, match="11 classes"):
        plots.map_pair({"near": xy}, labels, [str(i) for i in range(11)], {})
    with pytest.raises(ValueError, match="Labels reach"):
        plots.map_pair({"near": xy}, labels, ["x", "y"], {})


def test_grids_put_each_picture_in_its_place():
    images = torch.randint(0, 256, (2, 3, 1, 4, 6), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    drawn = {(round(sum(i.get_extent()[:2]) / 2), round(sum(i.get_extent()[2:]) / 2)): i.get_array() for i in
             plots.image_grid(images).axes[0].images}  # fmt: skip
    assert len(drawn) == 6
    for (column, row), picture in drawn.items():
        assert np.array_equal(picture, images[row, column, 0, :, :, None].expand(4, 6, 3).numpy())
    assert FIGURES["grid"].get_suptitle() == "Pictures" and FIGURES["grid"].alt.startswith("Pictures. 2 rows")
    kinds = [Image.open(io.BytesIO(style.png(FIGURES[name]))).mode for name in ("grid", "bars")]
    assert kinds == ["RGB", "P"]  # colours of pictures are kept, others reduced to a palette
    assert "2 rows of 3 pictures, 4 × 6 pixels" in plots.image_grid(images).alt
    views = FIGURES["views"]
    assert len(views.axes[0].images) == 2 * (1 + 4) and "4 random views of 5 × 5 pixels" in views.alt


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(2, 2, 4, 8, 8), "one or three channels"),
        (torch.full((2, 2, 3, 8, 8), 7.0), "reach from 7 to 7"),
        (torch.full((2, 2, 3, 8, 8), float("nan")), "nan"),
        (torch.zeros(2, 3, 8, 8), "expected .rows, columns"),
    ],
)
def test_grids_refuse_what_is_not_a_picture(images, message):
    with pytest.raises(ValueError, match=message):
        plots.image_grid(images)
    with pytest.raises(ValueError, match="titles for 2 rows"):
        plots.image_grid(torch.zeros(2, 2, 3, 8, 8), ["one"])


def test_show_prints_the_words_and_wants_them(capsys):
    plots.show(plots.accuracy_bars([("a", 50.0, 40, 60)], {}, label="test (%)"))
    assert capsys.readouterr().out == "Figure: Test, horizontal bars: a ≈ 50.0 %.\n"
    own = pyplot.figure()
    plots.show(plots.describe(own, "Nothing."))
    assert own.number not in pyplot.get_fignums()  # else a notebook would show it twice
    with pytest.raises(ValueError, match="alternative text"):
        plots.show(Figure())
    with pytest.raises(ValueError, match="alternative text"):
        plots.describe(Figure(), " ")


def test_show_displays_one_png_with_its_words_in_the_metadata(monkeypatch, capsys):
    import IPython.display

    sent = []
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "display", lambda data, **more: sent.append((data, more)))
    fig = plots.accuracy_bars([("a", 50.0, 40, 60)], {})
    plots.show(fig)
    (data, more), *others = sent
    assert not others and more == {"metadata": {"image/png": {"alt": fig.alt}}, "raw": True}
    assert data["text/plain"] == "<Figure>" and base64.b64decode(data["image/png"]) == style.png(fig)
    assert capsys.readouterr().out == f"Figure: {fig.alt}\n"


def test_figures_are_not_registered_with_pyplot():
    """A figure that pyplot knows would be displayed a second time by a notebook, and would stay in memory."""
    code = (
        "import latentlab.plots as p, sys; p.accuracy_bars([('a', 5., 4, 6)], {}); "
        "print('matplotlib.pyplot' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
