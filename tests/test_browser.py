"""The built pages in a browser without a network: mathematics, filter, search, keyboard, contrast, small screens."""

import os

import pytest

pytest.importorskip("websocket")

from browser import AXE, CHROMIUM, Browser  # noqa: E402, I001

REQUIRED = os.environ.get("LATENTLAB_BROWSER") == "required"  # .ci/run says so where it could install one
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED,
    reason="NO BROWSER: THE PAGES ARE NOT TESTED. Install Debian's chromium (CI does).",
)
SHOWN = "e => e.offsetParent !== null"


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (360, True)], ids=["wide-light", "phone-dark"])
def test_every_page_works_offline_and_for_everyone(site, browser, width, dark):
    if not AXE.exists() and not REQUIRED:
        pytest.skip(f"NO AXE-CORE: ACCESSIBILITY IS NOT TESTED. npm install --prefix {AXE.parents[2]} axe-core")
    formulas, grounds = 0, set()
    for path in sorted(site.glob("*.html")):
        browser.open(path, width, dark=dark)
        sizes = browser.js(
            "[...document.querySelectorAll('math')].map(m => m.getBoundingClientRect()).map(r => [r.width, r.height])"
        )
        hidden = browser.js("document.querySelectorAll('details:not([open]) math').length")
        assert sum(w < 1 or h < 1 for w, h in sizes) <= hidden, f"{path.name}: mathematics that nobody sees"
        formulas += len(sizes)
        assert browser.js("document.documentElement.scrollWidth") <= width, f"{path.name} is wider than {width} pixels"
        assert browser.axe() == [], path.name
        assert browser.errors == [], path.name
        assert [address for address in browser.asked if not address.startswith(("file:", "data:", "about:"))] == []
        grounds.add(browser.js("getComputedStyle(document.body).backgroundColor"))
    assert formulas > 300 and len(grounds) == 1
    assert (max(map(int, grounds.pop()[4:-1].split(","))) < 60) == dark


def test_the_console_and_the_network_are_watched(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text('<img src="http://a.invalid/x.png"><script>nothing()</script>')
    browser.open(page)
    assert any("nothing is not defined" in error for error in browser.errors)
    assert "http://a.invalid/x.png" in browser.asked
    if AXE.exists():
        assert any("image-alt" in line for line in browser.axe())


def test_verdicts_are_filtered_and_lead_to_their_cells(site, browser):
    browser.open(site / "index.html")
    rows = "[...document.querySelectorAll('.verdicts tbody tr')]"
    total = browser.js(f"{rows}.length")
    choose = (
        "(k, v) => { const s = document.querySelector(`[data-key=${k}]`); "
        "s.value = v; s.dispatchEvent(new Event('change')); }"
    )
    assert browser.js(f"{rows}.every({SHOWN})") and total > 50
    browser.js(f"({choose})('document', 'VICReg report')")
    browser.js(f"({choose})('verdict', 'refuted')")
    left = browser.js(
        f"{rows}.filter({SHOWN}).map(r => [r.dataset.document, r.dataset.verdict, r.querySelector('a').href])"
    )
    assert 0 < len(left) < total and {tuple(row[:2]) for row in left} == {("VICReg report", "refuted")}
    assert browser.js("document.querySelector('#filter [role=status]').textContent") == f"{len(left)} of {total}"
    name, _, anchor = left[0][2].rpartition("/")[2].partition("#")
    browser.open(site / name, anchor=f"#{anchor}")
    top = browser.js(f"document.getElementById({anchor!r}).getBoundingClientRect().top")
    assert anchor.startswith("V-Q") and 0 <= top < 900


def test_search_finds_sections_of_all_pages_and_escape_ends_it(site, browser):
    browser.open(site / "09_flows.html")
    browser.type("#search", "blind spot")
    found = browser.js("[...document.querySelectorAll('#found a')].map(a => [a.textContent, a.href])")
    assert any("08_autoregressive.html#" in address for _, address in found)
    assert "blind spot" in found[0][0].lower(), "a heading with the words comes first"
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="Escape")
    assert browser.js("document.getElementById('found').hidden")
    browser.type("#search", "zzzz no such words")
    assert browser.js("document.getElementById('found').textContent").startswith("0 sections")
    name, _, anchor = found[0][1].rpartition("/")[2].partition("#")
    browser.open(site / name, anchor=f"#{anchor}")
    assert browser.js("document.querySelector(':target') !== null")


def test_code_folds_and_the_first_key_leads_to_the_text(site, browser):
    browser.open(site / "10_vae.html")
    count = "document.querySelectorAll('details.code[open]').length"
    assert 0 < browser.js(count) < browser.js("document.querySelectorAll('details.code').length"), (
        "long cells are folded"
    )
    browser.js("document.getElementById('fold').click()")
    assert browser.js(count) == 0
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert browser.js("document.activeElement.getAttribute('href')") == "#main"
    browser.js("dispatchEvent(new Event('beforeprint'))")
    assert browser.js("document.querySelectorAll('details:not([open])').length") == 0
