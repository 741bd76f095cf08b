"""The tests stand in folders with the names of the rooms, so that who changes a room finds what tests it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TESTS = ROOT / "tests"
LAYERS = ("unit", "integration", "system")
PACKAGES = ("tracking", "config", "edge", "worker", "admin_api")
# Folders that are named after no room, and what they test.
OTHERS = {
    "house": "the rules of the tree and the documentation",
    "loadtests": "the package of that name",
    "front": "the proxies of deploy/, and the edge behind them",
}


def rooms() -> set[str]:
    """Return the name of every room of every package."""
    return {
        folder.name
        for package in PACKAGES
        for folder in (ROOT / package).iterdir()
        if folder.is_dir() and any(folder.glob("*.py"))
    }


def modules_of(layer: str) -> list[Path]:
    """Return the test modules of a layer."""
    return sorted((TESTS / layer).rglob("test_*.py"))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_folder_of_tests_is_named_after_a_room(layer: str) -> None:
    folders = {path.parent.name for path in modules_of(layer)}
    assert folders
    assert sorted(folders - rooms() - set(OTHERS)) == []


@pytest.mark.parametrize("layer", LAYERS)
def test_a_test_module_stands_in_a_folder_of_its_layer(layer: str) -> None:
    assert [path for path in modules_of(layer) if path.parent.parent != TESTS / layer] == []


def test_there_are_no_tests_outside_of_the_three_layers() -> None:
    inside = {path for layer in LAYERS for path in modules_of(layer)}
    assert sorted(set(TESTS.rglob("test_*.py")) - inside) == []


def test_no_folder_of_tests_is_a_package_that_would_hide_one_of_ours() -> None:
    assert sorted(TESTS.rglob("__init__.py")) == []


def test_every_folder_named_after_no_room_is_still_used() -> None:
    used = {path.parent.name for layer in LAYERS for path in modules_of(layer)}
    assert set(OTHERS) <= used
