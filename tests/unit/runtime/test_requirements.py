"""What is installed: pinned with hashes, without a host or path, and the same as pyproject.toml explains."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def _names(path: Path) -> set[str]:
    return {line.strip() for line in path.read_text().splitlines() if line.strip() and not line.startswith(("#", "-"))}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_pin_has_hashes_and_no_line_names_a_host_or_path(lock: Path) -> None:
    text = lock.read_text()
    assert not re.search(r"https?://|file:/|^\s*--(index|extra|find|trusted)|/opt/|/tmp/|/work/", text, re.MULTILINE)
    pins = re.split(r"^(?=[a-zA-Z0-9])", re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)[1:]
    assert pins
    for pin in pins:
        assert re.match(r"[a-z0-9-]+==[0-9a-z.]+ \\\n(\s+--hash=sha256:[0-9a-f]{64})", pin), pin


def test_each_lock_pins_what_its_input_asks_for() -> None:
    for wanted in sorted((ROOT / "requirements").glob("*.in")):
        pinned = set(re.findall(r"^([a-z0-9-]+)==", wanted.with_suffix(".txt").read_text(), re.MULTILINE))
        assert {re.split(r"[\[=]", name)[0] for name in _names(wanted)} <= pinned, wanted


def test_pyproject_explains_exactly_what_is_locked() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    assert set(project["project"]["dependencies"]) == _names(ROOT / "requirements" / "runtime.in")
    assert set(project["dependency-groups"]["dev"]) == _names(ROOT / "requirements" / "dev.in")
    for name in project["project"]["dependencies"]:
        assert re.search(rf'"{re.escape(name)}",  # .{{10,}}', text), f"{name} is not explained"


def test_every_file_that_programs_read_is_installed_with_them() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    installed = {
        path
        for package, patterns in tool["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    read = {
        path
        for package in tool["packages"]
        for path in (ROOT / package.replace(".", "/")).iterdir()
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert set((ROOT / "migrations").glob("*.sql")) <= read
    assert read == installed


def test_redis_on_the_oldest_python_gets_its_async_timeout() -> None:
    assert "async-timeout==" in (ROOT / "requirements" / "runtime.txt").read_text()
