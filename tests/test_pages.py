"""The pages: nothing is fetched, links lead somewhere, formulas are mathematics, the front door remembers."""

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest

from latentlab.data import repository
from latentlab.publish import page, pages, runner

TINY = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


class Reader(HTMLParser):
    """What a page links, fetches, names and ranks."""

    def __init__(self, html):
        super().__init__()
        self.links, self.fetched, self.ids, self.levels, self.styles = [], [], [], [], False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.styles = tag == "style"
        self.ids += [given["id"]] if "id" in given else []
        self.levels += [int(tag[1])] if re.fullmatch(r"h[1-6]", tag) else []
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag != "a":
            names = ("src", "srcset", "href", "poster", "data", "action", "xlink:href")
            self.fetched += [given[name] for name in names if given.get(name)]
        self.addresses(given.get("style") or "")

    def handle_data(self, text):
        if self.styles:
            self.addresses(text)

    def addresses(self, style):
        self.fetched += re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""", style)


def from_elsewhere(reader):
    """Addresses that a browser would fetch from somewhere else than the page's own folder."""
    return [
        address
        for address in reader.fetched
        if urlsplit(address).scheme not in ("", "data") or address.startswith("//")
    ]


def dead(folder):
    """Links and files, in the pages of `folder`, that lead nowhere."""
    read = {path.resolve(): Reader(path.read_text(encoding="utf-8")) for path in folder.glob("*.html")}
    for path, reader in read.items():
        for address in [*reader.links, *reader.fetched]:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https", "mailto", "data"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            named = target not in read or not parts.fragment or unquote(parts.fragment) in read[target].ids
            if not target.exists() or not named:
                yield f"{path.name}: {address}"


def write(path, *cells):
    """A notebook: text cells begin with #, the others are code."""
    kinds = {True: nbformat.v4.new_markdown_cell, False: nbformat.v4.new_code_cell}
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[kinds[cell.startswith("#")](cell) for cell in cells]), path)
    return path


def shown(*ids):
    """A cell's code that shows what a cell of claims shows."""
    facts = [{"kind": "claim", "id": id, "verdict": "confirmed"} for id in ids]
    arguments = f"{{'text/plain': 'seen'}}, metadata={{'latentlab': {facts!r}}}, raw=True"
    return f"from IPython.display import display\ndisplay({arguments})"


def test_every_page_is_whole_without_a_network(site):
    read = {path.name: Reader(path.read_text(encoding="utf-8")) for path in sorted(site.glob("*.html"))}
    assert len(read) == 1 + len(list((repository() / "notebooks").glob("*.ipynb")))
    for name, reader in read.items():
        assert not from_elsewhere(reader), name
        assert not {id for id in reader.ids if reader.ids.count(id) > 1}, f"{name}: an id stands twice"
        assert reader.levels.count(1) == 1 and reader.levels[0] == 1, f"{name}: one title, first"
        steps = list(zip(reader.levels, reader.levels[1:], strict=False))
        assert all(below - above <= 1 for above, below in steps), f"{name}: a level of headings is left out"
    assert list(dead(site)) == []


def test_every_formula_of_the_course_is_mathematics(site):
    results = pages.earlier(site)
    assert {r.name: r.about["unshown"] for r in results if r.about["unshown"]} == {}
    text = "".join(path.read_text(encoding="utf-8") for path in site.glob("*_*.html"))
    assert text.count("<math ") > 300
    words = re.sub(r"(?s)<(style|script|pre|code|details)\b.*?</\1>|<[^>]+>", " ", text)
    assert re.findall(r"\\(?:frac|sum|log|begin|mathcal)\b.{30}", words) == []


@pytest.mark.parametrize(
    "kind",
    [
        '<script src="https://a.org/x.js"></script>',
        '<link rel="stylesheet" href="//a.org/x.css">',
        '<img src="http://a.org/x.png">',
        "<style>@import 'https://a.org/x.css';</style>",
        "<style>body{background:url(https://a.org/x.png)}</style>",
        "<p style=\"background:url('http://a.org/x.png')\">",
        '<iframe src="https://a.org"></iframe>',
    ],
)
def test_the_reader_sees_whatever_a_browser_would_fetch(kind, tmp_path):
    assert from_elsewhere(Reader(kind))
    assert not from_elsewhere(
        Reader('<a href="https://a.org">a</a><img src="a.png"><img src="data:image/png;base64,xx">')
    )
    (tmp_path / "a.html").write_text(
        '<a href="b.html">b</a><a href="#no">c</a><a href="#yes" id="yes">d</a><img src="e.png">'
    )
    assert [line.split()[1] for line in dead(tmp_path)] == ["b.html", "#no", "e.png"]


@pytest.mark.parametrize(
    ("tex", "part"),
    [
        (r"\begin{aligned} a &= b \\ &= c \end{aligned}", "<mtable"),
        (r"\mathcal{L}\ \operatorname{KL}(q)", "ℒ|&#x02112;"),
        (r"q \log p", '<mo lspace=".167em" rspace=".167em">log</mo>'),
        (r"\log(p)", '<mo lspace="0" rspace="0">log</mo>'),
        (r"\log_2 p", '<msub><mo lspace="0" rspace=".167em">log</mo>'),
        (r"\mathbb E x", "𝔼|&#x1D53C;"),
        (r"\lVert x \rVert", "<mo>(&#x02016;|‖)</mo><mi>x"),
        (r"\bigl\| x \bigr\|^2", "&#x02016;|‖"),
        (r"\Bigl\lvert x \Bigr\rvert", "<mo [^>]*>(\\||&#x0007C;)</mo>"),
    ],
)
def test_formulas(tex, part):
    made = page.mathml(tex, "block")
    assert re.search(part, made) and "unshown" not in made and 'display="block"' in made


@pytest.mark.parametrize("tex", [r"\nosuchthing{x}", "{", "a & b"])
def test_a_formula_that_cannot_be_converted_is_shown_as_written_and_reported(tex, tmp_path, capsys):
    path = write(tmp_path / "a.ipynb", f"# Title\n\nHere ${tex}$ stands, and $x^2$.")
    (result,) = runner.run_notebooks([path], tmp_path / "out", stored=True)
    assert [line.startswith(tex) for line in result.about["unshown"]] == [True]
    assert tex in capsys.readouterr().err and "1 FORMULAS NOT CONVERTED" in result.summary()
    assert "<msup>" in result.page.read_text() and page.escape(tex) in result.page.read_text()


def test_headings_claims_and_questions_have_anchors_and_long_code_is_folded():
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# T\n## Deep\n# V-Q2 · Maps (and C-4a)\n### Too deep\n# T")]
    )
    facts = [{"kind": "claim", "id": "V-Q2.1", "verdict": "depends"}]
    output = nbformat.v4.new_output("display_data", {"text/html": "<p>one</p>"}, metadata={"latentlab": facts})
    table = nbformat.v4.new_output(
        "display_data", {"text/html": '<b id="V-Q2.1">two</b>'}, metadata={"latentlab": facts}
    )
    notebook.cells.append(nbformat.v4.new_code_cell("x = 1\n" * 20, outputs=[output]))
    html = page.as_page(notebook, "n")
    assert [(level, id) for level, id, _ in page.HEADING.findall(html)] == [
        ("1", "T"), ("2", "Deep"), ("2", "V-Q2-·-Maps-(and-C-4a)"), ("3", "Too-deep"), ("2", "T-2"),
    ]  # fmt: skip
    assert [html.count(f'id="{id}"') for id in ("V-Q2", "C-4a", "V-Q2.1")] == [1, 1, 1]
    assert '<details class="code"><summary>Code, 21 lines' in html.replace(' open=""', " open")
    notebook.cells[-1] = nbformat.v4.new_code_cell("x = 1", outputs=[table])
    html = page.as_page(notebook, "n")
    assert html.count('id="V-Q2.1"') == 1 and re.search(r'<details class="code" open[^>]*><summary>Code, 1 line<', html)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("# T\n\nWhy?\n\n**Time:** 3 minutes to run. **You need:** notebook 4. And",
         ("Why?", "3 minutes to run", "notebook 4")),
        ("# T\n\nWhat is $x$?\n\n**Time:** half a minute.", ("What is <span", "half a minute", "")),
        ("# T\n\nOne\ntwo.\n\n*Thirty minutes. You need:* dots, logs. Then",
         ("One\ntwo.", "Thirty minutes", "dots, logs")),
        ("# T", ("", "", "")),
    ],
)  # fmt: skip
def test_the_first_cell_says_what_the_card_shows(text, facts):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    card = page.about(notebook, page.as_page(notebook, "n"))
    assert card["title"] == "T" and card["question"].startswith(facts[0]) and bool(card["question"]) == bool(facts[0])
    assert (card["time"], card["needs"]) == facts[1:]


def test_the_front_door_says_in_red_what_failed_and_a_single_run_keeps_the_others(tmp_path):
    notebooks, out = tmp_path / "notebooks", tmp_path / "deep" / "build"
    write(
        notebooks / "01_a.ipynb",
        "# First\n\nWhat is it?\n\n## Part\n\n[seen from the notebook](../data/a.txt)",
        shown("V-Q2.1"),
    )
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").touch()
    bad = write(notebooks / "03_c.ipynb", "# Third", "print('before')", "1 / 0", shown("V-Q2.2"))
    runner.run_notebooks([notebooks], out)
    page_of = {name: (out / f"{name}.html").read_text() for name in ("01_a", "03_c", "index")}
    assert '<a href="03_c.html#stopped">Third</a><pre>' in page_of["index"] and "division by zero" in page_of["index"]
    assert page_of["index"].count('class="failed"') == 1 and 'href="01_a.html#V-Q2.1"' in page_of["index"]
    before, stopped, after = (
        page_of["03_c"].index(words) for words in (">before", 'id="stopped"', "ZeroDivisionError</span>")
    )
    assert before < stopped < after and 'href="#stopped"' in page_of["03_c"] and 'id="stopped"' not in page_of["01_a"]
    assert 'href="03_c.html">→ Third' in page_of["01_a"] and list(dead(out)) == []

    # repaired, and another one beside it: only these run
    write(notebooks / "02_b.ipynb", "# Second")
    write(bad, "# Third", shown("V-Q2.2"))
    kept = (out / "01_a.html").stat().st_mtime_ns
    runner.run_notebooks([notebooks / "02_b.ipynb", bad], out)
    front, first = (out / "index.html").read_text(), (out / "01_a.html").read_text()
    assert [front.index(f'<a href="{name}.html">') for name in ("01_a", "02_b", "03_c")] == sorted(
        front.index(f'<a href="{name}.html">') for name in ("01_a", "02_b", "03_c")
    )
    assert "What is it?" in front and 'href="01_a.html#V-Q2.1"' in front and "#stopped" not in front
    assert 'href="02_b.html">→ Second' in first and "→ Third" not in first and list(dead(out)) == []
    before = (out / "01_a.html").stat().st_mtime_ns
    assert before > kept, "its neighbour is new"

    # a notebook that is gone leaves the front door, and a foreign file in the folder does no harm
    (notebooks / "01_a.ipynb").unlink()
    (out / "notes.html").write_text("mine")
    runner.run_notebooks([bad], out, stored=True)
    assert "01_a" not in (out / "index.html").read_text() and [r.name for r in pages.earlier(out)] == ["02_b", "03_c"]
    (out / "course.js").write_text("not ours")
    assert pages.earlier(out) == []


def test_a_card_shows_a_small_picture_with_its_words(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# T")])
    assert page.figure(notebook) is None
    output = nbformat.v4.new_output(
        "display_data", {"image/png": TINY}, metadata={"image/png": {"alt": 'a "dot" & more'}}
    )
    notebook.cells.append(nbformat.v4.new_code_cell("", outputs=[output]))
    nbformat.write(notebook, tmp_path / "a.ipynb")
    runner.run_notebooks([tmp_path / "a.ipynb"], tmp_path / "out", stored=True)
    assert Path(tmp_path / "out" / "a.png").read_bytes().startswith(b"\x89PNG")
    front = (tmp_path / "out" / "index.html").read_text()
    assert '<img src="a.png" alt="a &#34;dot&#34; &amp; more"' in front and not from_elsewhere(Reader(front))


def test_every_external_link_is_listed_once():
    """If this fails: make links (with LOOK=--look each address is asked for, and the day noted)."""
    spec = importlib.util.spec_from_file_location("links", repository() / "benchmarks" / "links.py")
    links = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(links)
    assert list(links.listed()) == sorted(links.found()) and len(links.found()) > 30
