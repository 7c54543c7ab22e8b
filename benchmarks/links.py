"""Every external link of the notebooks and the README, with the day it was last seen: `python benchmarks/links.py`.

Without arguments the list is brought in line with the text; --look asks for each address and notes today's date.
"""

import csv
import datetime
import io
import re
import sys
import urllib.request
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "docs" / "links.csv"


def found() -> set[str]:
    """The addresses that the prose links to."""
    notebooks = sorted((ROOT / "notebooks").glob("*.ipynb"))
    cells = (cell.source for path in notebooks for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown")
    return set(
        re.findall(r"\]\((https?://[^)\s]+)\)", "\n".join([(ROOT / "README.md").read_text(encoding="utf-8"), *cells]))
    )


def listed() -> dict[str, str]:
    """address → the day it was last seen, or nothing."""
    return (
        {row["address"]: row["last seen"] for row in csv.DictReader(LIST.open(encoding="utf-8"))}
        if LIST.exists()
        else {}
    )


def answers(address: str) -> bool:
    request = urllib.request.Request(address, headers={"User-Agent": "Mozilla/5.0 (latentlab link check)"})
    try:
        return urllib.request.urlopen(request, timeout=20).status < 400
    except OSError:
        return False


def main() -> int:
    known, today, gone = listed(), datetime.date.today().isoformat(), []
    seen = {address: known.get(address, "") for address in sorted(found())}
    for address in seen if "--look" in sys.argv else ():
        if answers(address):
            seen[address] = today
        else:
            gone.append(address)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("address", "last seen"), *seen.items()])
    LIST.write_text(text.getvalue(), encoding="utf-8")
    print(
        f"{len(seen)} links in {LIST.relative_to(ROOT)}" + "".join(f"\ndoes not answer: {address}" for address in gone)
    )
    return int(bool(gone))


if __name__ == "__main__":
    sys.exit(main())
