"""The rules of the tree, checked by reading the code: who may import whom, and what every module must have."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tracking.runtime import STREAM_QUEUES, Task

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("tracking", "config", "edge", "worker", "admin_api", "loadtests")
# What a decision record measures, with packages that nobody else needs.
NOT_SHIPPED = {"loadtests.reports.engine_prototype"}
MAY_IMPORT = {
    "tracking": {"tracking"},
    "config": {"tracking", "config"},
    "edge": {"tracking", "config", "edge"},
    "worker": {"tracking", "config", "worker"},
    "admin_api": {"tracking", "config", "admin_api"},
    "loadtests": {"tracking", "config", "edge", "admin_api", "loadtests"},
}
# Pure code: no sockets, files, processes, clocks that block, and none of the libraries that do such things.
IO_MODULES = {
    "socket",
    "subprocess",
    "os",
    "pathlib",
    "threading",
    "redis",
    "psycopg",
    "lmdb",
    "falcon",
    "urllib3",
    "rq",
}
NEVER_AT_THE_EDGE = (
    *("psycopg", "psycopg_pool", "jinja2", "opentelemetry"),
    *("worker", "admin_api", "config.database", "config.embedded", "config.tracing"),
)
# requirements/meinheld.in: a dependency that pip could not resolve, installed without its own dependencies.
DECLARED_ELSEWHERE = {"meinheld"}
LINES_MAX = 300


def modules(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything a module imports, wherever in the module."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; this tree names modules in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_package_has_modules() -> None:
    assert all(modules(package) for package in PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_what_stands_before_it(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(package)
        for name in imports(path)
        if (top := name.partition(".")[0]) in PACKAGES and top not in MAY_IMPORT[package]
    ]
    assert wrong == []


def test_no_program_imports_the_tests() -> None:
    tests = {"tests", "conftest", *(path.stem for path in (ROOT / "tests").rglob("*.py"))}
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(*PACKAGES)
        for name in imports(path)
        if name.partition(".")[0] in tests
    ]
    assert wrong == []


def test_tracking_is_pure() -> None:
    wrong = [
        f"{path.name} imports {name}"
        for path in modules("tracking")
        for name in imports(path)
        if name.partition(".")[0] in IO_MODULES
    ]
    assert wrong == []


def test_edge_never_names_what_belongs_to_the_other_programs() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules("edge")
        for name in imports(path)
        if any(name == banned or name.startswith(f"{banned}.") for banned in NEVER_AT_THE_EDGE)
    ]
    assert wrong == []


def test_edge_loads_neither_database_nor_templates_nor_the_other_programs(tmp_path: Path) -> None:
    names = [name_of(path) for path in modules("edge") if path.name != "__main__.py"]
    # A worker class of a server that is not installed here cannot be imported; it brings in nothing of ours.
    code = (
        "import importlib, sys\n"
        # redis loads OpenTelemetry where it is installed, as for these tests. The edge is to do without.
        "sys.modules['opentelemetry'] = None\n"
        f"for name in {names!r}:\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error:\n"
        "        if (error.name or '').partition('.')[0] not in ('meinheld', 'granian', 'gunicorn'):\n"
        "            raise\n"
        "print('\\n'.join(name for name, module in sys.modules.items() if module is not None))\n"
    )
    environ = os.environ | {"WAYPOST_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split())
    assert "edge" in loaded
    assert loaded.isdisjoint(NEVER_AT_THE_EDGE)


def test_only_settings_reads_the_environment() -> None:
    wrong = []
    for path in modules(*PACKAGES):
        if path == ROOT / "config" / "settings" / "programs.py":
            continue
        for node in ast.walk(ast.parse(path.read_bytes())):
            attribute = isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "putenv")
            if attribute and isinstance(node.value, ast.Name) and node.value.id == "os":
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
        wrong += [
            f"{path.relative_to(ROOT)} imports {name}"
            for name in imports(path)
            if name in ("os.environ", "os.environb", "os.getenv")
        ]
    assert wrong == []


@pytest.mark.parametrize("task", Task)
def test_every_task_names_a_function_that_exists(task: Task) -> None:
    module_name, _, function_name = task.rpartition(".")
    assert callable(getattr(importlib.import_module(module_name), function_name))


def test_every_stream_has_a_queue_of_its_own() -> None:
    assert len({queue for queue, _ in STREAM_QUEUES.values()}) == len(STREAM_QUEUES)


@pytest.mark.parametrize("path", modules(*PACKAGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_module_says_what_it_owns_and_is_of_readable_size(path: Path) -> None:
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module opens with what it owns"
    assert len(text.splitlines()) <= LINES_MAX, "past 300 lines a module is two things"


def test_no_module_is_named_for_what_it_is_not() -> None:
    banned = re.compile(r"(^|_)(utils?|helpers?|common|misc|manager|service|base)(_|$)")
    assert [path.name for path in modules(*PACKAGES) if banned.search(path.stem)] == []


def test_no_broad_except_without_a_loop_around_it() -> None:
    """`except Exception` is for the boundary of a loop that logs and counts: it stands in one, or BLE001 says why."""
    wrong = []
    for path in modules(*PACKAGES):
        lines = path.read_text().splitlines()
        tree = ast.parse(path.read_bytes())
        in_loop = {
            id(handler)
            for loop in ast.walk(tree)
            if isinstance(loop, ast.While | ast.For)
            for handler in ast.walk(loop)
            if isinstance(handler, ast.ExceptHandler)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
            )
            reraises = any(isinstance(inner, ast.Raise) and inner.exc is None for inner in ast.walk(node))
            if broad and not reraises and id(node) not in in_loop and "BLE001" not in lines[node.lineno - 1]:
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []


def test_tests_folders_are_no_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_test_modules_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))


def test_every_third_party_import_is_declared() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project = settings["project"]
    groups = [
        *project["dependencies"],
        *(name for group in project.get("optional-dependencies", {}).values() for name in group),
    ]
    declared = {_normal(re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]) for requirement in groups}
    # Load tests may also use what developing needs: Locust is no dependency of a program.
    of_development = {
        _normal(re.split(r"[\s\[<>=!~;]", name, maxsplit=1)[0])
        for group in settings["dependency-groups"].values()
        for name in group
    }
    distributions = packages_distributions()
    missing = set()
    for path in modules(*PACKAGES):
        for name in imports(path):
            top = name.partition(".")[0]
            if top in PACKAGES or top in sys.stdlib_module_names or top == "__future__":
                continue
            # Not installed here (an optional server): its distribution is taken to be named like the module.
            owners = {_normal(owner) for owner in distributions.get(top, [top])}
            also = of_development if path.is_relative_to(ROOT / "loadtests") else set()
            if owners.isdisjoint(declared | DECLARED_ELSEWHERE | also):
                missing.add(f"{path.relative_to(ROOT)} imports {top}")
    assert missing == set()


def test_every_package_is_listed_for_installation() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    real = {name_of(path) for path in modules(*PACKAGES) if path.name == "__init__.py"}
    assert real - NOT_SHIPPED <= set(listed)
    assert (real - set(listed)) >= NOT_SHIPPED


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
