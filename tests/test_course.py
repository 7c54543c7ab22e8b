"""The course layer: verdicts, their display, the nbval sanitizer, set-up, reference results, exercises."""

import json
import os
import re
import subprocess
import sys
import types
from dataclasses import dataclass
from html.parser import HTMLParser
from importlib import metadata
from pathlib import Path

import nbclient
import nbformat
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from nbval.plugin import get_sanitize_patterns

from latentlab import course
from latentlab.course import claims, install, reference, render
from latentlab.course import setup as setup_call

SANITIZER = Path(__file__).with_name("nbval_sanitize.cfg")


@pytest.fixture
def book(monkeypatch):
    """A small ledger in place of the real one."""
    entries = {
        "claims": {
            "T-1": {"statement": "Losses < 1 fall.", "verdict": "confirmed", "notebook": "01_t"},
            "T-2": {"statement": "Open still.", "verdict": "open", "notebook": "01_t"},
        },
        "answers": {"T-Q": {"question": "How many?", "answer": "3", "notebook": "01_t"}},
    }
    monkeypatch.setattr(claims, "ledger", lambda: entries)
    return entries


# ---- claim: the verdict ----


@pytest.mark.parametrize("truth", [True, np.bool_(True), np.array(True), torch.tensor(True), torch.tensor(1.0) > 0])
def test_truth_may_come_from_python_numpy_or_torch(book, truth):
    assert course.claim("T-1", parts={"a": truth}) == "confirmed"
    assert course.claim("T-1", parts={"a": truth, "b": not truth}) == "refuted"


@pytest.mark.parametrize(
    ("conditions", "parts", "cases"),
    [
        ([True], "confirmed", "confirmed"),
        ([True, True], "confirmed", "confirmed"),
        ([True, False], "refuted", "depends"),
        ([False, True, True], "refuted", "depends"),
        ([False, False], "refuted", "refuted"),
        ([False], "refuted", "refuted"),
    ],
)
def test_verdicts_of_parts_and_cases(book, conditions, parts, cases):
    named = {f"condition {i}": holds for i, holds in enumerate(conditions)}
    assert course.claim("T-1", parts=named) == parts
    assert course.claim("T-1", cases=named) == cases


def test_undecidable_needs_a_reason(book, capsys):
    assert course.claim("T-1", undecidable="The figure is lost.", see={"instead": "a map"}) == "undecidable"
    out = capsys.readouterr().out
    assert "undecidable – The figure is lost." in out and "instead: a map" in out
    with pytest.raises(TypeError, match="must be the reason"):
        course.claim("T-1", undecidable="  ")
    with pytest.raises(TypeError, match="must be the reason"):
        course.claim("T-1", undecidable=True)


@pytest.mark.parametrize("bad", [1, 0, 0.5, None, "True", [], torch.tensor(1), np.float64(1), lambda: True])
def test_a_condition_that_is_no_truth_value_is_refused(book, bad):
    with pytest.raises(TypeError, match=r"'a' must be true or false but is a .*compare it with something"):
        course.claim("T-1", parts={"a": bad})


@pytest.mark.parametrize("bad", [torch.tensor([True]), np.array([True, False])])
def test_an_array_is_refused_with_advice(book, bad):
    with pytest.raises(TypeError, match=r"reduce it with \.all\(\)"):
        course.claim("T-1", cases={"a": bad})


@pytest.mark.parametrize("bad", [{}, [], True, "confirmed", [("a", True)]])
def test_a_typed_or_empty_verdict_is_refused(book, bad):
    with pytest.raises(TypeError, match="non-empty dict"):
        course.claim("T-1", parts=bad)
    with pytest.raises(TypeError, match="non-empty dict"):
        course.claim("T-1", cases=bad)


def test_exactly_one_kind_of_evidence_and_named_conditions(book):
    with pytest.raises(TypeError, match="exactly one"):
        course.claim("T-1")
    with pytest.raises(TypeError, match="exactly one"):
        course.claim("T-1", parts={"a": True}, cases={"a": True})
    with pytest.raises(TypeError, match="in words"):
        course.claim("T-1", parts={5: True})


def test_an_unknown_id_names_its_neighbours():
    with pytest.raises(KeyError, match=r"Nearest: V-Q2\.[0-9], V-Q2\.[0-9], V-Q2\.[0-9]\."):
        course.claim("V-Q2.9", parts={"a": True})
    with pytest.raises(KeyError, match=r"Nearest: .*A-1\.1\.1"):
        course.claim("A1.1.1", parts={"a": True})
    with pytest.raises(KeyError, match=r"claims\.toml\)\.'?\"?$"):
        course.claim("?", parts={"a": True})
    with pytest.raises(KeyError, match=r"Nearest: C-7a\(i\), C-7a\(ii\)"):
        course.answer("C-7a", 1)
    with pytest.raises(KeyError, match=r"call answer\(\)"):
        course.claim("V-Q1", parts={"a": True})
    with pytest.raises(KeyError, match=r"call claim\(\)"):
        course.answer("V-Q2.1", 1)


# ---- claim and answer: what is shown ----


def test_text_names_the_failing_part_and_the_ledger(book, capsys):
    course.claim("T-1", parts={"it falls": True, "it is low": False}, see={"loss": "≈ 0.3"}, note="Over 3 seeds.")
    assert capsys.readouterr().out.splitlines() == [
        "T-1  Losses < 1 fall.",
        "  ✓ it falls",
        "  ✗ it is low",
        "  loss: ≈ 0.3",
        "  Over 3 seeds.",
        "Verdict: refuted – fails: it is low (the ledger says confirmed)",
    ]
    course.claim("T-1", cases={"d = 1": True, "d = 2": True})
    assert capsys.readouterr().out.endswith("Verdict: confirmed – true in all 2 cases (as in the ledger)\n")
    course.claim("T-2", cases={"d = 1": True, "d = 2": False})
    assert capsys.readouterr().out.endswith("Verdict: depends – true in 1 of 2 cases (the ledger is still open)\n")


def test_answer_compares_with_the_ledger_as_text(book, capsys):
    assert course.answer("T-Q", 3) == True  # noqa: E712  (an Agreement, equal to True)
    assert "Answer: 3 (as in the ledger)" in capsys.readouterr().out
    assert not course.answer("T-Q", "4")
    assert "Answer: 4 (the ledger says 3)" in capsys.readouterr().out
    for empty in (None, "", "  "):
        with pytest.raises(TypeError, match="needs a value"):
            course.answer("T-Q", empty)


class Outline(HTMLParser):
    """The text of a page, marks as the words a screen reader says; fails on unbalanced tags."""

    def __init__(self, page):
        super().__init__()
        self.open, self.words, self.silent = [], [], 0
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        label = dict(attrs).get("aria-label") if dict(attrs).get("role") == "img" else None
        self.silent = len(self.open) if label else self.silent
        self.words += [label] if label else []

    def handle_endtag(self, tag):
        if len(self.open) == self.silent:
            self.silent = 0
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += [] if self.silent else [data]


@pytest.mark.parametrize("result", ["confirmed", "refuted", "depends", "undecidable"])
def test_html_says_in_words_what_the_text_says(result):
    conditions = {"it <falls>": True, "low": False}
    card = render.Card("claim", "T-1", "a < b & c", conditions, {"probe": "≈ 86.2 %"}, "n", result, "why", True, result)
    page = render.card_html(card)
    heard = " ".join(" ".join(Outline(page).words).split())
    assert heard == f"T-1 a < b & c holds it <falls> fails low probe: ≈ 86.2 % n Verdict: {result} – why (as in the ledger)"
    # No text colour and no background of our own: readable in dark and light alike.
    assert set(re.findall(r"(?<![\w-])(?:color|background):([^;\"]+)", page)) == {"inherit", "transparent"}
    # Apart from colour nothing differs that the words do not say.
    plain = render.card_html(render.Card(*list(vars(card).values())[:6], "other", "why", True, "other"))
    assert re.sub("#[0-9a-f]{6}", "", page) == re.sub("#[0-9a-f]{6}", "", plain).replace("other", result)


def test_table_columns_do_not_move_with_the_last_one():
    short = render.table_text(["", "report", "live"], [["probe", "72.42 %", "≈ 9.1 %"]])
    long = render.table_text(["", "report", "live"], [["probe", "72.42 %", "≈ 86.25 %"]])
    assert short.splitlines()[:2] == long.splitlines()[:2]
    assert Outline(render.table_html(["", "a"], [["<x>", "1"]], "c&d")).words == ["c&d", "a", "<x>", "1"]


# ---- the sanitizer ----


def sanitized(text):
    for pattern, replacement in get_sanitize_patterns(SANITIZER.read_text(encoding="utf-8")):
        text = re.sub(pattern, replacement, text)
    return text


SAME = [
    ("probe ≈ 86.2 % confirmed", "probe ≈ 9.13 % confirmed"),
    ("≈ 86.2 %", "≈ −86 %"),
    ("≈ 1,234 images", "≈ 987 images"),
    ("≈ 12\u202f345 images", "≈ 2\u202f345 images"),
    ("≈ 1e-05", "≈ 3.2E+4"),
    ("≈ 3.1 × 10⁻⁵ per step", "≈ 2 × 10^-4 per step"),
    ("≈ .5", "≈ -0.25"),
    ("≈ 86.", "≈ 9."),
    ("≈86.2%", "≈9.1%"),
    ("≈\u00a086.2\u00a0%", "≈\u00a09.1\u00a0%"),
    ("≈ 86.2 % ± 0.4 % of 3 seeds", "≈ 9.2 % ± 10.4 % of 3 seeds"),
    ("≈ 86.2 ± 0.4 %", "≈ 9.2 ± 1 %"),
    ("≈ 12.1 s ± 3 s", "≈ 9 s ± 0.4 s"),
    ("≈ 86.2 % (85.1 … 87.0) on test", "≈ 9.2 % (5 … 17.12) on test"),
    ("≈ 86.2 % [85.1 %, 87.0 %]", "≈ 9.2 % [5.0 %, 17.0 %]"),
    ("≈ 0.91 (0.90–0.93)", "≈ 0.1 (0.05–0.93)"),
    ("≈ 86.2 ± 0.4 % (85.1 to 87.0)", "≈ 9.2 ± 1.4 % (8 to 10.5)"),
    ("<td>≈ 86.2 %</td><td>ok</td>", "<td>≈ 9.2 %</td><td>ok</td>"),
    ("<td>&asymp; 86.2 %</td>", "<td>&#8776; 9.2 %</td>"),
    ("a   ≈ 86.2 %  | ≈ 5  | ok", "a  ≈ 100.25 % |  ≈ 15 | ok"),
    ("latentlab · profile quick · device cpu · seed 0", "latentlab · profile quick · device cuda · seed 0"),
]
DIFFERENT = [
    ("probe ≈ 86.2 % confirmed", "probe ≈ 86.2 % refuted"),
    ("≈ 86.2 % (confirmed)", "≈ 86.2 % (refuted)"),
    ("≈ 86.2 %; 3 of 5 hold", "≈ 86.2 %; 4 of 5 hold"),
    ("≈ 86.2 % of 1000 images", "≈ 86.2 % of 2000 images"),
    ("≈ 86.2 %", "≈ 86.2"),
    ("≈ 86.2 %", "86.2 %"),
    ("≈ 86.2 s", "≈ 86.2 ms"),
    ("≈ 86.2 %", "≈ nan %"),
    ("≈ 86.2", "≈ inf"),
    ("≈ 3.1 ± 0.1", "≈ 3.1"),
    ("≈ 3.1 (2.9 … 3.3)", "≈ 3.1"),
    ("≈ 3.1 (n = 5)", "≈ 3.1 (n = 6)"),
    ("≈ 3.1 (5 seeds)", "≈ 3.1 (6 seeds)"),
    ("≈ 3.1, 4", "≈ 3.1, 5"),
    ("≈ 3.1\n5", "≈ 3.1\n6"),
    ("72.42 % ≈ 86.2 %", "72.43 % ≈ 86.2 %"),
    ("<td>≈ 86.2 %</td><td>confirmed</td>", "<td>≈ 86.2 %</td><td>refuted</td>"),
    ("V-Q3.1 ≈ 86.2 %", "V-Q3.2 ≈ 86.2 %"),
    ("latentlab · profile quick · device cpu · seed 0", "latentlab · profile full · device cpu · seed 0"),
    ("latentlab · profile quick · device cpu · seed 0", "latentlab · profile quick · device cpu · seed 1"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_sanitizer_overlooks_measured_numbers(one, other):
    assert sanitized(one) == sanitized(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_sanitizer_overlooks_nothing_else(one, other):
    assert sanitized(one) != sanitized(other)


def test_sanitizer_keeps_every_verdict_beside_a_measured_number(book, capsys):
    """On text and HTML of a real card: other numbers compare equal, another verdict or mark does not."""

    def card(loss, **evidence):
        shown = []
        original, render.show = render.show, lambda text, html, facts=None: shown.append(text + html)
        try:
            course.claim("T-1", **evidence, see={"loss": f"≈ {loss} %", "again": f"≈ {loss} ± 0.1"})
        finally:
            render.show = original
        return sanitized(shown[0])

    assert card(86.2, parts={"a": True}) == card(-9, parts={"a": True})
    assert card(86.2, parts={"a": True}) != card(86.2, parts={"a": False})
    assert card(86.2, cases={"a": True, "b": False}) != card(86.2, cases={"a": False, "b": True})


def test_a_notebook_shows_and_nbval_compares(tmp_path):
    """A kernel run leaves text, HTML and the verdict, echoes nothing; strict nbval passes with other measured numbers only."""
    cells = [
        new_code_cell("from latentlab.course import answer, claim, setup\nimport random\ncourse = setup()\nx = random.random()"),
        new_code_cell('claim("V-Q2.1", parts={"it is small": x < 2}, see={"x": f"≈ {x:.{random.randint(1, 9)}f}"})'),
        new_code_cell('answer("V-Q1", 1 + int(x))'),
        new_code_cell("float(x < 2)"),
    ]
    notebook = new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=60).execute()
    shown = [cell.outputs for cell in notebook.cells]
    assert [len(outputs) for outputs in shown] == [1, 1, 1, 1]
    assert shown[0][0].text == f"latentlab · profile quick · device {setup_device()} · seed 0\n"
    assert shown[1][0].metadata["latentlab"] == {"kind": "claim", "id": "V-Q2.1", "verdict": "confirmed"}
    assert set(shown[1][0].data) == {"text/plain", "text/html"}
    assert shown[2][0].metadata["latentlab"] == {"kind": "answer", "id": "V-Q1", "answer": "1"}
    nbformat.write(notebook, tmp_path / "good.ipynb")
    html = shown[1][0].data["text/html"]
    shown[1][0].data["text/html"] = html.replace("confirmed", "refuted")
    assert shown[1][0].data["text/html"] != html
    nbformat.write(notebook, tmp_path / "bad.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "--nbval-sanitize-with", str(SANITIZER)]
    done = subprocess.run([*command, "-p", "no:cacheprovider", "-q", str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert "1 failed, 7 passed" in done.stdout, done.stdout
    assert "bad.ipynb" in done.stdout and "mismatch 'text/html'" in done.stdout


def setup_device():
    return "cuda" if torch.cuda.is_available() else "cpu"


# ---- set-up ----


@pytest.fixture
def environment(monkeypatch):
    """No course variables, whatever the caller's shell holds."""
    for name in ("LATENTLAB_PROFILE", "LATENTLAB_DEVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    return monkeypatch


def test_setup_prints_one_line_and_seeds_nothing_global(environment, capsys):
    environment.setenv("LATENTLAB_DEVICE", "cpu")
    state = torch.random.get_rng_state()
    made = setup_call(seed=3)
    assert capsys.readouterr().out == "latentlab · profile quick · device cpu · seed 3\n"
    assert (made.profile, made.device, made.seed, made.preset) == ("quick", torch.device("cpu"), 3, "quick")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_generators_repeat_and_differ_by_seed_and_offset(environment):
    def draw(seed, offset=0):
        return torch.rand(4, generator=course.Course("quick", torch.device("cpu"), seed).generator(offset)).tolist()

    assert draw(0) == draw(0)
    assert draw(0) != draw(1) and draw(0) != draw(0, 1)


def test_a_wrong_profile_or_device_is_a_clear_error(environment):
    environment.setenv("LATENTLAB_PROFILE", "fast")
    with pytest.raises(ValueError, match="'fast'; it must be 'quick'"):
        setup_call()
    environment.setenv("LATENTLAB_PROFILE", "full")
    for name in ("gpu", "cpu:x", "cuda:99"):
        environment.setenv("LATENTLAB_DEVICE", name)
        with pytest.raises(ValueError, match=f"LATENTLAB_DEVICE is '{name}'"):
            setup_call()


@dataclass(frozen=True)
class Settings:
    data: str
    width: int = 4


def test_settings_come_from_the_recipe_of_that_name(environment):
    recipe = types.ModuleType("latentlab.recipes.invented")
    recipe.PRESETS = {"quick": Settings("shapes10"), "cpu": Settings("cifar10"), "gpu": Settings("cifar10", 64)}
    environment.setitem(sys.modules, "latentlab.recipes", types.ModuleType("latentlab.recipes"))
    environment.setitem(sys.modules, "latentlab.recipes.invented", recipe)
    chosen = {
        (profile, device): course.Course(profile, torch.device(device), 0).settings("invented")
        for profile in ("quick", "full")
        for device in ("cpu", "cuda")
    }
    assert chosen["quick", "cpu"] is chosen["quick", "cuda"] is recipe.PRESETS["quick"]
    assert chosen["full", "cpu"] is recipe.PRESETS["cpu"] and chosen["full", "cuda"] is recipe.PRESETS["gpu"]
    del recipe.PRESETS["quick"]
    with pytest.raises(ValueError, match="no preset 'quick'; it has cpu, gpu"):
        course.Course("quick", torch.device("cpu"), 0).settings("invented")


def test_an_unknown_recipe_is_named():
    with pytest.raises(ValueError, match="no recipe 'nonesuch'"):
        course.Course("quick", torch.device("cpu"), 0).settings("nonesuch")


# ---- Colab ----


def test_missing_lists_what_is_absent_and_never_torch():
    wanted = ["torch>=99", "TorchVision", "numpy<1", "no-such-thing>=2", "pytest"]
    assert install.missing([*wanted, "other-thing; extra == 'test'", "old; python_version < '3'"]) == ["no-such-thing>=2"]
    assert install.missing(["torch", "pytest"]) == []


def test_install_pins_torch_and_passes_only_the_missing():
    seen = []

    def runner(command, check):
        constraints = Path(command[command.index("--constraint") + 1])
        seen.append((command, check, constraints.read_text(encoding="utf-8"), constraints))

    assert install.install_missing(["torch", "torchvision>=9", "no-such-thing"], runner) == ["no-such-thing"]
    ((command, check, pins, file),) = seen
    assert command[:4] == [sys.executable, "-m", "pip", "install"] and check
    assert [word for word in command[4:] if not word.startswith("-") and word != str(file)] == ["no-such-thing"]
    assert "--upgrade" not in command and len(pins.splitlines()) == 3
    assert f"torch=={metadata.version('torch')}\n" in pins and f"torchvision=={metadata.version('torchvision')}\n" in pins
    assert not file.exists()


def test_install_does_nothing_if_nothing_is_missing_and_explains_a_failure():
    def fail(command, check):
        raise subprocess.CalledProcessError(1, command)

    assert install.install_missing(["pytest", "torch"], fail) == []
    with pytest.raises(RuntimeError, match="could not install no-such-thing beside torch"):
        install.install_missing(["no-such-thing"], fail)


def test_setup_installs_in_colab_only(environment):
    calls = []
    environment.setattr(install, "install_missing", lambda: calls.append(1))
    setup_call()
    assert calls == []
    environment.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    setup_call()
    assert calls == [1]


# ---- reference results ----


class Data:
    name, split, checksum = "shapes10", "train", "ab" * 32

    def __len__(self):
        return 7


def test_reference_comes_back_with_its_provenance(tmp_path):
    values = {"probe": np.float64(70.5), "curve": torch.tensor([1.0, 0.5]), "n": np.int64(3), "name": "ü", "by": {"a": [1, 2.5]}}
    given = {"settings": Settings("cifar10"), "data": Data(), "seed": 4, "seconds": 90.04}
    path = course.save_reference("run-1", values, **given, folder=tmp_path)
    back = course.load_reference("run-1", tmp_path)
    assert back.values == {"probe": 70.5, "curve": [1.0, 0.5], "n": 3, "name": "ü", "by": {"a": [1, 2.5]}}
    assert back["probe"] == 70.5 and back.settings == {"data": "cifar10", "width": 4}
    p = back.provenance
    assert p["data"] == [{"name": "shapes10", "split": "train", "n": 7, "checksum": "ab" * 32}]
    assert (p["seed"], p["seconds"], p["torch"]) == (4, 90.0, torch.__version__)
    assert p["hardware"]["cores"] >= 1 and p["hardware"]["cpu"] and re.fullmatch(r"\d{4}-\d\d-\d\d", p["date"])
    assert p["commit"] == "unknown" or re.fullmatch("[0-9a-f]{40}", p["commit"])
    assert "shapes10 train (abababab)" in back.summary() and "1.5 min" in back.summary()
    assert os.listdir(tmp_path) == [path.name]
    with pytest.raises(KeyError, match="no value 'loss'; it has probe"):
        back["loss"]


def test_several_data_sets_and_none(tmp_path):
    course.save_reference("two", {"a": 1}, data=[Data(), Data()], folder=tmp_path)
    assert len(course.load_reference("two", tmp_path).provenance["data"]) == 2
    course.save_reference("none", {"a": 1}, folder=tmp_path)
    assert course.load_reference("none", tmp_path).provenance["data"] == []


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path):
    course.save_reference("run", {"a": 1}, folder=tmp_path)
    with pytest.raises(ValueError, match="NaN or infinity"):
        course.save_reference("run", {"a": float("nan")}, folder=tmp_path)
    with pytest.raises(TypeError, match="cannot hold a object"):
        course.save_reference("run", {"a": object()}, folder=tmp_path)
    with pytest.raises(ValueError, match="cannot name a reference"):
        course.save_reference("../run", {"a": 2}, folder=tmp_path)
    assert os.listdir(tmp_path) == ["run.json"] and course.load_reference("run", tmp_path)["a"] == 1


def test_an_interrupted_write_leaves_nothing_half_written(tmp_path, monkeypatch):
    course.save_reference("run", {"a": 1}, folder=tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(reference.os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        course.save_reference("run", {"a": 2}, folder=tmp_path)
    assert os.listdir(tmp_path) == ["run.json"] and course.load_reference("run", tmp_path)["a"] == 1


def test_missing_and_damaged_references_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="No reference result 'run' yet .*make full"):
        course.load_reference("run", tmp_path)
    for text in ("{", "[]", json.dumps({"name": "run"})):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ValueError, match="is damaged.*make full"):
            course.load_reference("run", tmp_path)


def test_only_the_full_profile_records(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "repository", lambda: tmp_path)
    course.Course("quick", torch.device("cpu"), 5).record("run", {"a": 1})
    assert os.listdir(tmp_path) == []
    course.Course("full", torch.device("cpu"), 5).record("run", {"a": 1}, seconds=3)
    assert course.load_reference("run").provenance["seed"] == 5
    assert (tmp_path / "data" / "reference" / "run.json").exists()


def test_comparison_has_three_columns(tmp_path, capsys):
    course.save_reference("run", {"probe": 70.512, "more": 1}, seed=0, folder=tmp_path)
    report, live = {"probe": "72.42 %", "knn": 60.0}, {"probe": "≈ 92.1 %"}
    course.comparison(report, course.load_reference("run", tmp_path), live, unit="%")
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Reference run: 20") and "seed 0" in out[0]
    assert [re.split(r"\s{2,}", line.strip()) for line in out[1:2] + out[3:]] == [
        ["report", "reference run", "this run"],
        ["probe", "72.42 %", "70.5 %", "≈ 92.1 %"],
        ["knn", "60.0 %", "–", "–"],
    ]


# ---- exercises ----


@pytest.mark.parametrize("value", [[1.0, -2.0], np.array([1.0, -2.0]), torch.tensor([1.0, -2.0], requires_grad=True), (1, -2)])
def test_check_accepts_the_right_value_in_any_form(value, capsys):
    assert course.check("gradient", value, [1.0, -2.0])
    assert capsys.readouterr().out == "✓ gradient: right\n"


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ([1.0], r"shape is \(1,\), expected \(2,\)"),
        ([1.0, float("nan")], "NaN"),
        ([-1.0, 2.0], "sign is wrong"),
        ([2.0, -4.0], "2 times too large"),
        ([0.25, -0.5], "4 times too small"),
        ([1.0, -2.5], "largest difference is 0.5"),
        ([0.0, 0.0], "largest difference is 2"),
    ],
)
def test_check_says_what_is_wrong(value, hint, capsys):
    assert not course.check("gradient", value, [1.0, -2.0], hint="Look at the chain rule.")
    out = capsys.readouterr().out
    assert out.startswith("✗ gradient: not yet. ") and re.search(hint, out) and out.endswith("Look at the chain rule.\n")


def test_check_respects_its_tolerance(capsys):
    assert course.check("probe", 86.2, 86.0, tolerance=0.01)
    assert not course.check("probe", 86.2, 86.0, tolerance=1e-4)
