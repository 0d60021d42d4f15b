"""What the documentation points to exists, and what is made from the source is fresh."""

from __future__ import annotations

import re
from pathlib import Path

import generate_docs
import pytest
from tests.architecture.pages import PAGES, ROOT, anchors, name, prose

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SAID_PATH = re.compile(
    r"`((?:src/pillion|tests|tools|docs|examples|bench)/[\w./-]+|(?:cli|containers|daemon|lifecycle|manifest|network|node"
    r"|objects|plan|status|testing|volumes)/[\w./-]*)`"
)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for target in LINK.findall(prose(page)):
        if target.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            wrong.append(target)
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_in_code_exists(page: Path) -> None:
    wrong = [
        path
        for path in SAID_PATH.findall(prose(page))
        if not (ROOT / path).exists() and not (ROOT / "src/pillion" / path).exists()
    ]
    assert wrong == []


def test_every_page_is_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = (target.partition("#")[0] for target in LINK.findall(prose(page)) if "://" not in target)
        waiting += [
            found for target in targets if target and (found := (page.parent / target).resolve()).exists()
        ]
    assert sorted(name(page) for page in {*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")} - seen) == []


def test_what_is_made_from_the_source_is_fresh() -> None:
    outdated = [name(page) for page in generate_docs.outdated()]
    assert outdated == [], "run tools/generate_docs.py"


def test_no_place_is_left_to_be_filled() -> None:
    marked = [name(page) for page in PAGES if re.search(r"TODO|FIXME|TBD|<!-- figures", page.read_text())]
    assert marked == []
