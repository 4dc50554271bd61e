"""What the documents refer to is there: files, headings, decisions, tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chalicelib.adapters.dynamo.models import NAMES
from tests.architecture.source import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests").rglob("*.md")])
DECISIONS = ROOT / "docs/decisions"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    links = [link for link in _LINK.findall(document.read_text()) if "://" not in link]
    wrong = []
    for link in links:
        name, _, heading = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        if not target.exists() or (heading and heading not in _headings(target)):
            wrong.append(link)
    assert not wrong


def test_the_list_of_decisions_names_each_by_its_title() -> None:
    listed = (DECISIONS / "README.md").read_text()
    rows = []
    for file in sorted(DECISIONS.glob("[0-9]*.md")):
        number, _, title = file.read_text().splitlines()[0].removeprefix("# ").partition(". ")
        assert int(number) == int(file.name[:4])
        rows.append(f"| {number} | [{title}]({file.name}) |")
    assert rows == [line for line in listed.splitlines() if re.match(r"\| \d", line)]


def test_the_data_model_tells_of_every_table() -> None:
    told = re.findall(r"^\| `([a-z]+)` \|", (ROOT / "docs/data-model.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(NAMES.values())


def _headings(document: Path) -> set[str]:
    """The anchors GitHub gives a document's headings."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        for heading in _HEADING.findall(document.read_text())
    }
