"""The pages speak of this tree: what they name exists, and the README leads to every one of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
README = ROOT / "README.md"
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
MIGRATIONS = "\n".join(path.read_text() for path in sorted((ROOT / "migrations").glob("*.sql")))
_FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
_MODULE = re.compile(r"python -m ([a-z_.]+)")
_PATH = re.compile(r"[\w./-]+")
# Where a name stands for many: pipeline-DATE.md, NNNN_slug.sql.
_PLACEHOLDER = re.compile(r"[A-Z]{4}")
_ROOM = re.compile(r"^\| `([a-z_]+/[a-z_]+)/?` \|(?:[^|]+\|){2} ([^|]+) \|$", re.MULTILINE)
_MEANING = re.compile(r"^\|[^|]+\|[^|]+\| ([^|]+) \|", re.MULTILINE)


def code(page: Path) -> Iterator[str]:
    """Yield what a page shows as code, in the text and in blocks."""
    text = page.read_text()
    yield from _FENCE.findall(text)
    yield from _CODE.findall(_FENCE.sub("", text))


def paths(page: Path) -> set[str]:
    """Return the words of a page's code that begin with a folder of the tree."""
    words = {word.rstrip("./") for each in code(page) for word in _PATH.findall(each) if "/" in word}
    return {word for word in words if word.partition("/")[0] in FOLDERS and not _PLACEHOLDER.search(word)}


def linked(page: Path) -> set[Path]:
    targets = {target for target in _LINK.findall(_FENCE.sub("", page.read_text())) if "://" not in target}
    return {(page.parent / target).resolve() for target in targets}


def is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_of_the_tree_that_a_page_names_exists(page: Path) -> None:
    assert sorted(path for path in paths(page) if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_module_that_a_page_runs_exists(page: Path) -> None:
    names = {name.rstrip(".") for each in code(page) for name in _MODULE.findall(each)}
    ours = {name for name in names if name.partition(".")[0] in FOLDERS}
    assert sorted(name for name in ours if not is_module(name)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_links_or_shows_exists(page: Path) -> None:
    assert sorted(str(path) for path in linked(page) if not path.exists()) == []


def test_the_readme_leads_to_every_page() -> None:
    reached, waiting = {README}, [README]
    while waiting:
        new = {path for path in linked(waiting.pop()) if path.suffix == ".md"} - reached
        reached |= new
        waiting += sorted(new)
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []


def test_the_map_names_files_that_its_rooms_have() -> None:
    rows = _ROOM.findall((ROOT / "docs" / "architecture.md").read_text())
    assert rows
    named = {(room, file) for room, cell in rows for file in re.findall(r"`(\w+\.py)`", cell)}
    assert sorted(f"{room}/{file}" for room, file in named if not (ROOT / room / file).exists()) == []


def test_the_tables_and_columns_of_the_glossary_are_in_the_database() -> None:
    cells = _MEANING.findall((ROOT / "docs" / "glossary.md").read_text())
    names = {name for cell in cells for name in re.findall(r"`([a-z][a-z0-9_]*)`", cell)}
    assert {"clicks", "entries", "cpa_minor"} <= names
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", MIGRATIONS)) == []
