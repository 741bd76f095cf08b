"""The rooms of the tree: each shows a surface, nobody reaches past it, none depend on each other in a circle, and the
map is true.

A room is a folder inside `tracking`, `config`, `edge`, `worker` or `admin_api`. Its `__init__.py` is its surface. What
stands beside the rooms, at the root of a package, wires them together; in `config` such a file is a room by itself.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ("tracking", "config", "edge", "worker", "admin_api")
MAP = ROOT / "docs" / "architecture.md"
_ROW = re.compile(r"^\| `([a-z_]+/[a-z_]+)/?` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def rooms() -> list[str]:
    return [
        f"{package}.{folder.name}"
        for package in PACKAGES
        for folder in sorted((ROOT / package).iterdir())
        if folder.is_dir() and any(folder.glob("*.py"))
    ]


ROOMS = rooms()


def surface(room: str) -> list[str]:
    tree = ast.parse((ROOT / room.replace(".", "/") / "__init__.py").read_bytes())
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["__all__"]:
            shown: list[str] = ast.literal_eval(node.value)
            return shown
    return []


def room_of(module: str) -> str | None:
    room = ".".join(module.split(".")[:2])
    return room if room in ROOMS else None


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of everything that a file imports from, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((str(node.module), alias.name) for alias in node.names)


def files(*packages: str) -> Iterator[tuple[Path, str]]:
    """Yield every file with its dotted name."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            yield path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows() -> dict[str, set[str]]:
    """Return which rooms each room imports."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path, name in files(*PACKAGES):
        own = room_of(name)
        if own is not None:
            found[own] |= {room for module, _ in imports(path) if (room := room_of(module)) not in (None, own)}  # type: ignore[misc]
    return found


def test_there_are_rooms_in_every_package() -> None:
    assert {room.partition(".")[0] for room in ROOMS} == set(PACKAGES)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_shows_a_surface_of_names_that_it_has(room: str) -> None:
    path = ROOT / room.replace(".", "/") / "__init__.py"
    taken = {name for module, name in imports(path) if module.startswith(room)}
    defined = {getattr(node, "name", None) for node in ast.parse(path.read_bytes()).body}
    assert surface(room), "a room that shows nothing is used by nobody"
    assert set(surface(room)) <= taken | defined


def test_nobody_reaches_past_the_surface_of_a_room() -> None:
    wrong = []
    for path, name in files(*PACKAGES, "loadtests"):
        for module, imported in imports(path):
            room = room_of(module)
            if room is None or room == room_of(name):
                continue
            if module != room or imported not in surface(room):
                wrong.append(f"{path.relative_to(ROOT)} imports {module}.{imported}")
    assert wrong == []


def test_inside_a_room_modules_name_each_other_in_full() -> None:
    """Importing one's own surface would be a circle: the surface imports the modules."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path, name in files(*PACKAGES)
        for module, imported in imports(path)
        if path.name != "__init__.py"
        and room_of(name) is not None
        and module == room_of(name)
        and not (path.parent / f"{imported}.py").exists()
    ]
    assert wrong == []


def test_what_a_room_shows_is_used_outside_of_it() -> None:
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path, name in files(*PACKAGES, "loadtests", "tests"):
        for module, imported in imports(path):
            if module in used and room_of(name) != module:
                used[module].add(imported)
    # Tasks are called by their dotted names.
    queues = (ROOT / "tracking" / "runtime" / "queues.py").read_text()
    unused = [
        f"{room}.{name}"
        for room in ROOMS
        for name in surface(room)
        if name not in used[room] and f'"{room}.{name}"' not in queues
    ]
    assert unused == []


def test_rooms_do_not_depend_on_each_other_in_circles() -> None:
    try:
        order = list(TopologicalSorter(arrows()).static_order())
    except CycleError as error:
        pytest.fail(f"rooms in a circle: {' -> '.join(error.args[1])}")
    assert set(order) == set(ROOMS)


def test_modules_do_not_import_each_other_in_circles() -> None:
    """Wherever in a file the import stands: one inside a function is a circle too, only a hidden one."""
    names = {name for _, name in files(*PACKAGES)}
    graph: dict[str, set[str]] = {name: set() for name in names}
    for path, name in files(*PACKAGES):
        for module, imported in imports(path):
            target = f"{module}.{imported}" if f"{module}.{imported}" in names else module
            if target in names and target != name:
                graph[name].add(target)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"modules in a circle: {' -> '.join(error.args[1])}")
    assert set(order) == names
    assert graph["config.settings.programs"] >= {"config.settings.outgoing", "config.settings.environment"}


def test_a_room_imports_no_wiring() -> None:
    """What stands at the root of edge, worker or admin_api knows the rooms; the rooms do not know it."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}.{imported}"
        for path, name in files("edge", "worker", "admin_api")
        for module, imported in imports(path)
        if room_of(name) is not None
        and module.partition(".")[0] == name.partition(".")[0]
        and room_of(module) is None
        and f"{module}.{imported}" not in ROOMS
    ]
    assert wrong == []


def test_the_map_names_every_room_and_what_it_imports() -> None:
    drawn = {
        room.replace("/", "."): {word.replace("/", ".") for word in re.findall(r"[a-z_]+/[a-z_]+", arrows_text)}
        for room, _, arrows_text, _ in _ROW.findall(MAP.read_text())
    }
    real = {
        room: {other for other in others if other.partition(".")[0] == room.partition(".")[0]}
        for room, others in arrows().items()
    }
    assert drawn == real


def test_tests_are_in_folders_named_like_the_rooms() -> None:
    """Besides the rooms: the house itself, the proxies in front, and the load tests."""
    subjects = {room.partition(".")[2] for room in ROOMS} | {"house", "front", "loadtests"}
    wrong = [
        str(path.relative_to(ROOT))
        for kind in ("unit", "integration", "system")
        for path in (ROOT / "tests" / kind).rglob("test_*.py")
        if path.parent.parent != ROOT / "tests" / kind or path.parent.name not in subjects
    ]
    assert wrong == []
