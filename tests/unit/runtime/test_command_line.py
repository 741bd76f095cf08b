"""The `waypost` command: it lists its words, hands on what follows them, and says clearly what it cannot do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from config.command_line import app

ROOT = Path(__file__).resolve().parents[3]
WORDS = ("up", "demo", "bench", "faults", "test")


def waypost(*arguments: str, cwd: Path = ROOT, path: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run the command of a tree as its console script would, with lines that a terminal does not cut."""
    return subprocess.run(
        [sys.executable, "-P", "-c", "from config.command_line import main; main()", *arguments],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(path), "COLUMNS": "160", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_word_with_one_line() -> None:
    shown = waypost("--help")
    assert shown.returncode == 0
    for word in WORDS:
        assert re.search(rf"^\W*{word}\s+[A-Z].+\.", shown.stdout, re.MULTILINE), shown.stdout
    assert len(app.registered_commands) == len(WORDS)


def test_without_a_word_it_shows_its_help() -> None:
    shown = waypost()
    assert all(word in shown.stdout + shown.stderr for word in WORDS)


def test_an_unknown_word_is_a_clear_error() -> None:
    refused = waypost("upp")
    assert refused.returncode == 2
    assert "No such command 'upp'" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("word", "program"),
    [
        ("up", "python -m config.up"),
        ("demo", "python -m loadtests.demo"),
        ("bench", "python -m loadtests.bench"),
        ("faults", "python -m loadtests.faults"),
    ],
)
def test_what_follows_a_word_goes_to_its_program(word: str, program: str) -> None:
    shown = waypost(word, "--help")
    assert shown.returncode == 0, shown.stderr
    assert f"usage: {program}" in shown.stdout


def test_a_folder_of_the_same_name_where_one_stands_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "up.py").write_text("print('a stranger')")
    shown = waypost("up", "--help", cwd=tmp_path)
    assert "usage: python -m config.up" in shown.stdout


@pytest.mark.parametrize("word", ["bench", "faults", "test"])
def test_what_needs_a_checkout_says_so_in_an_installed_package(word: str, installed: Path, tmp_path: Path) -> None:
    refused = waypost(word, cwd=tmp_path, path=installed)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"waypost: `waypost {word}` works in a checkout of Waypost only")
    assert str(installed) in refused.stderr


def test_up_in_an_installed_package_says_that_the_procfile_is_missing(installed: Path, tmp_path: Path) -> None:
    refused = waypost("up", cwd=tmp_path, path=installed)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"waypost: there is no {installed}/Procfile")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a directory with the packages alone, as pip installs them."""
    place = tmp_path / "site-packages"
    place.mkdir()
    for package in ("config", "tracking"):
        shutil.copytree(ROOT / package, place / package, ignore=shutil.ignore_patterns("__pycache__"))
    return place


def test_the_environment_has_the_command() -> None:
    script = Path(sysconfig.get_path("scripts")) / "waypost"
    shown = subprocess.run([script, "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert shown.returncode == 0, shown.stderr
    assert all(word in shown.stdout for word in WORDS)
