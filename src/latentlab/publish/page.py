"""One executed notebook as a page that needs no network: MathML, headings in order, anchors, code that folds."""

from __future__ import annotations

import base64
import io
import re
from copy import deepcopy
from functools import partial
from html import escape, unescape
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from PIL import Image

LONG, MANY = 15, 4  # longer code, in lines, is folded, and so are cards with more conditions
QUESTION = re.compile(r"\b[A-Z]-[A-Z]*\d[\w.]*\b")  # V-Q2, A-2.2.1, C-4a
HEADING = re.compile(r'<h(\d) id="([^"]*)">(.*?)</h\d>', re.DOTALL)
# What the first text cell says of its notebook: the paragraph below the title; **Time:** …; **You need:** …
ASKED = re.compile(r"\A\s*#[^\n]*\n+(.+?)(?=\n\n|\Z)", re.DOTALL)
TIME = re.compile(r"(?:\*\*Time:\*\*\s*|^\*)([^.*]*\bminutes?\b[^.*]*)\.", re.MULTILINE)
NEEDS = re.compile(r"You need:?\*{0,2}\s*(.+?)\.(?=[\s*]|\Z)", re.DOTALL)
HOLD = re.compile(r'(?s)(<math[^>]*"inline">(?:(?!</math>).)*</math>[.,;:!?)]+)')  # a formula with what ends it
THUMB = 640  # pixels
TEMPLATES = {file.name: file.read_text(encoding="utf-8") for file in Path(__file__).with_name("templates").iterdir()}
# What latex2mathml does not know, written so that it does.
KNOWN = {
    r"(?<!\\)\\ ": r"\\;",
    r"\{aligned\}": "{split}",
    r"\\operatorname\*": r"\\operatorname",
    r"(\\math(?:bb|cal|bf)) +([A-Za-z])": r"\1{\2}",
    r"(\\[bB]igg?[lrm]?)\s*\\[lr]vert\b": r"\1|",
    r"(\\[bB]igg?[lrm]?)\s*\\(?:\||[lr]Vert\b)": r"\1‖",
}
LEFT = re.compile(r'\\[A-Za-z]*|<mi>&</mi>|\$|mathvariant="(?!normal|bold)')  # signs of what was not understood
FUNCTION = re.compile(r"(</m(?:i|n|sub|sup|subsup|frac|row)>)?<m(?:i|o( [^>]*)?)>([A-Za-z]{2,})</m[io]>(?=(<mo|</m)?)")


def mathml(tex: str, display: str) -> str:
    """A formula as MathML; one that cannot be converted is shown as it was written, marked with the reason."""
    written = tex
    for pattern, alike in KNOWN.items():
        written = re.sub(pattern, alike, written)
    try:
        made = convert(written, display=display)
        if left := LEFT.search(made):
            raise ValueError(f"{left[0]} is left over")
        made = FUNCTION.sub(_function, made).replace("<mo minsize", '<mo stretchy="true" lspace="0" rspace="0" minsize')
    except Exception as problem:  # noqa: BLE001 - whatever is wrong with one formula, the others are shown
        return f'<code class="unshown" title="{escape(f"{type(problem).__name__}: {problem}")}">{escape(tex)}</code>'
    return f'<span class="display">{made}</span>' if display == "block" else made


def _function(match: re.Match[str]) -> str:
    """The name of a function with the thin spaces that TeX puts around it: q log p, but log(x)."""
    before, attributes, name, after = match.groups()
    spaces = f'lspace="{".167em" if before else "0"}" rspace="{"0" if after else ".167em"}"'
    return f"{before or ''}<mo{attributes or ''} {spaces}>{name}</mo>"


class Renderer(IPythonRenderer):
    """nbconvert's markdown renderer, with MathML, one outline for the whole page, and an id for every heading."""

    def __init__(self, outline: list[int], used: set[str], **options: Any):
        super().__init__(escape=False, embed_images=True, **options)
        self.outline, self.used = outline, used

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        """The title is the one h1; below it no level is left out, whatever the notebook's levels are."""
        level = level if self.outline else 0
        while self.outline and self.outline[-1] >= level > 0:
            self.outline.pop()
        self.outline.append(level)
        words = plain(text)
        name = words.replace(" ", "-")  # as Jupyter does
        slug = next(s for s in (name, *(f"{name}-{n}" for n in range(2, 999))) if s not in self.used)
        questions = [id for id in dict.fromkeys(QUESTION.findall(words)) if id not in self.used]
        self.used.update([slug, *questions])
        spans = "".join(f'<span id="{id}"></span>' for id in questions)
        return f'<h{len(self.outline)} id="{escape(slug)}">{spans}{text}</h{len(self.outline)}>\n'

    inline_math = staticmethod(partial(mathml, display="inline"))
    block_math = staticmethod(partial(mathml, display="block"))

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


class Page(HTMLExporter):
    """nbconvert's basic template with our blocks. One object makes one page."""

    def __init__(self, used: set[str], folder: str = "") -> None:
        super().__init__(template_name="basic", raw_template=TEMPLATES["cells.html.j2"])
        self.exclude_input_prompt = self.exclude_output_prompt = True
        self.outline: list[int] = []
        self.used, self.folder = used, folder

    def markdown2html(self, source: str) -> str:
        html = MarkdownWithMath(renderer=Renderer(self.outline, self.used, path=self.folder)).render(source)
        return HOLD.sub(r'<span class="hold">\1</span>', html)


def render(name: str, **given: Any) -> str:
    """A whole page from one of our templates, by nbconvert's engine, with style and script inside."""
    template = Page(set()).environment.from_string(TEMPLATES[name])
    return template.render(**given, style=TEMPLATES["style.css"], script=TEMPLATES["script.js"])


def facts(cell: Any) -> list[dict[str, Any]]:
    """What `claim` and `answer` left in the metadata of a cell's outputs."""
    return [fact for output in cell.get("outputs", []) for fact in output.get("metadata", {}).get("latentlab", [])]


def as_page(notebook: NotebookNode, name: str, error: str = "", source: str = "", folder: str = "") -> str:
    """An executed notebook as a page; its place among the others is filled in by `pages.write`.

    error: of `runner.execute`; its cell is anchored. source: the notebook, seen from the page. folder: of the pictures.
    """
    notebook = deepcopy(notebook)
    stopped = re.search(r"code cell (\d+) of", error)
    used = {"main", "search", "found", "stopped"}
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        shown = "".join(o.get("data", {}).get("text/html", "") for o in cell.outputs)
        ids = [fact["id"] for fact in facts(cell)]
        cell.metadata["anchors"] = [id for id in ids if f'id="{escape(id)}"' not in shown and id not in used]
        cell.metadata["lines"] = cell.source.count("\n") + 1
        cell.metadata["stopped"] = bool(stopped) and number == max(1, int(stopped[1]))
        used.update(ids)
    body = Page(used, folder).from_notebook_node(notebook, {"long": LONG})[0]
    body = re.sub(r'(<a href="[\w-]+)\.ipynb(?=["#])', r"\1.html", body)
    above = f'<a href="{source.rpartition("/")[0] or "."}/'
    body = re.sub(r'<a href="(?=\.\./)', above, body)  # the text's links are seen from the notebook
    body = re.sub(r"(?s)(<section aria-label=[^>]*>.*?</p>)(<ul.*?</ul>)", _fold, body)
    bare = re.compile(r"<span id=[^>]*></span>|</?a\b[^>]*>")
    contents = [(depth, id, bare.sub("", text)) for depth, id, text in HEADING.findall(body)]
    title = next((plain(text) for depth, _, text in contents if depth == "1"), name)
    return render("page.html.j2", body=body, contents=contents, title=title, error=error, source=source)


def _fold(card: re.Match[str]) -> str:
    """A card's list, folded if it is long."""
    count = card[2].count("<li>")
    folded = f"<details><summary>what was tested: {count} lines</summary>{card[2]}</details>"
    return card[1] + (folded if count > MANY else card[2])


def plain(html: str) -> str:
    """The words of a piece of HTML."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def about(notebook: NotebookNode, page: str) -> dict[str, Any]:
    """What the front door and the search need of a notebook and its `page`."""
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    said = (pattern.search(first) for pattern in (ASKED, TIME, NEEDS))
    asked, time, needs = (match[1] if match else "" for match in said)
    asked = re.sub(r"(?s)(.*[.?!])\s.*", r"\1", asked)  # whole sentences
    asked, needs = (re.sub(r"</?p>", "", Page(set()).markdown2html(text)).strip() for text in (asked, needs))
    main = page.partition("</h1>")[2].partition("</main>")[0]
    main = re.sub(r'(?s)<details class="code".*?</details>|<nav.*?</nav>|<pre.*?</pre>', " ", main)
    parts = ["main", "", *HEADING.split(main)]  # id, heading, text, level, id, heading, text, level, …
    sections = zip(parts[::4], parts[1::4], parts[2::4], strict=True)
    unshown = re.findall(r'class="unshown" title="(.*?)">(.*?)</code>', page)
    title = unescape(re.search(r"<title>(.*?)</title>", page)[1])
    card = {"title": title, "question": asked, "time": " ".join(time.split()), "needs": needs}
    card["sections"] = [[unescape(id), plain(heading), plain(text)] for id, heading, text in sections]
    return card | {"unshown": [unescape(f"{tex} ({why})") for why, tex in unshown]}


def figure(notebook: NotebookNode) -> tuple[bytes, str] | None:
    """The first picture that is wider than high, else the first: a small PNG file's bytes and its words; or None."""
    shown = [o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})]
    pictures = [Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))) for output in shown]
    if not pictures:
        return None
    best = next((n for n, picture in enumerate(pictures) if picture.width > picture.height), 0)
    small, file = pictures[best].convert("RGB"), io.BytesIO()
    small.thumbnail((THUMB, THUMB))
    small.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue(), shown[best].metadata.get("image/png", {}).get("alt", "")
