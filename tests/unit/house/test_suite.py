"""The suite itself: which tests begin first, which have the machine to themselves, and what a commit runs."""

from __future__ import annotations

import fcntl
import secrets
import subprocess
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from distribution import longest_first, recorded_durations
from quiet import QUIET, QuietPlaces
from waiting import free_port, wait_until

ROOT = Path(__file__).resolve().parents[3]
Place = Generator[None, object, object]


def item(nodeid: str = "a test", *, quiet: bool = False) -> Any:
    return SimpleNamespace(nodeid=nodeid, get_closest_marker=lambda name: name if quiet and name == QUIET else None)


def begin(places: QuietPlaces, test: Any, next_test: Any = None) -> Place:
    """Run a test up to its middle, in the place it needs."""
    running = places.pytest_runtest_protocol(test, next_test)
    next(running)
    return running


def end(running: Place) -> None:
    with pytest.raises(StopIteration):
        running.send(True)


@pytest.fixture
def run_id() -> str:
    return secrets.token_hex(8)


@pytest.fixture
def processes(run_id: str) -> Iterator[tuple[QuietPlaces, QuietPlaces]]:
    """Yield the places as two worker processes of one run see them."""
    both = QuietPlaces(run_id), QuietPlaces(run_id)
    yield both
    for places in both:
        places.pytest_unconfigure()


def someone_waits_to_be_alone(run_id: str) -> bool:
    with (Path(tempfile.gettempdir()) / f"waypost-tests-{run_id}.door").open("w") as door:
        try:
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_tests_that_are_not_quiet_run_beside_each_other(processes: tuple[QuietPlaces, QuietPlaces]) -> None:
    running = [begin(places, item()) for places in processes]
    for each in running:
        end(each)


def test_a_quiet_test_begins_when_the_others_have_ended_and_the_next_one_waits_for_it(
    processes: tuple[QuietPlaces, QuietPlaces], run_id: str
) -> None:
    loud, quiet = processes
    began: list[Place] = []
    other = begin(loud, item())
    waiting = threading.Thread(target=lambda: began.append(begin(quiet, item(quiet=True))))
    waiting.start()
    wait_until(lambda: someone_waits_to_be_alone(run_id), what="the quiet test to stand in the door")
    assert began == []
    end(other)
    waiting.join(20)
    alone = began.pop()
    follower = threading.Thread(target=lambda: began.append(begin(loud, item())))
    follower.start()
    wait_until(lambda: someone_waits_to_be_alone(run_id), what="the next test to stand in the door")
    assert began == []
    end(alone)
    follower.join(20)
    end(began.pop())


def test_between_two_quiet_tests_nobody_else_begins(processes: tuple[QuietPlaces, QuietPlaces], run_id: str) -> None:
    loud, quiet = processes
    end(begin(quiet, item(quiet=True), item(quiet=True)))
    began: list[Place] = []
    other = threading.Thread(target=lambda: began.append(begin(loud, item())))
    other.start()
    wait_until(lambda: someone_waits_to_be_alone(run_id), what="the other test to stand in the door")
    end(begin(quiet, item(quiet=True)))
    other.join(20)
    end(began.pop())


def test_the_modules_that_take_longest_begin_first_and_stay_together() -> None:
    longest, second, *_ = recorded_durations()
    tests = [item(f"{module}::test_{name}") for name in "ab" for module in ("tests/new.py", second, longest)]
    longest_first(tests)
    assert [test.nodeid.partition("::")[0] for test in tests] == [longest] * 2 + [second] * 2 + ["tests/new.py"] * 2


def test_a_free_port_is_none_that_the_kernel_gives_to_outgoing_connections() -> None:
    ports = {free_port() for _ in range(100)}
    assert len(ports) == 100
    assert all(20_000 <= port < 32_000 for port in ports)


@pytest.mark.parametrize(
    ("changed", "folders"),
    [
        (["edge/clicks/visit.py"], "tests/unit/house tests/unit/clicks"),
        (
            ["worker/money/rates.py", "tests/unit/spool/test_spool.py"],
            "tests/unit/house tests/unit/money tests/unit/spool",
        ),
        (["loadtests/demo/scene.py", "README.md"], "tests/unit/house tests/unit/loadtests"),
        (["tests/system/clicks/test_edge_table.py"], "tests/unit/house"),
        (["config/settings/options.py"], "tests/unit"),
        (["config/up.py", "edge/clicks/visit.py"], "tests/unit"),
        (["tests/support/waiting.py"], "tests/unit"),
        (["pyproject.toml"], "tests/unit"),
    ],
)
def test_a_commit_runs_the_unit_tests_of_the_rooms_that_it_changes(
    tmp_path: Path, changed: list[str], folders: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "test-rooms").write_text((ROOT / "bin" / "test-rooms").read_text())
    stand_in = tmp_path / "bin" / "test"
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    for folder in (ROOT / "tests" / "unit").iterdir():
        (tmp_path / "tests" / "unit" / folder.name).mkdir(parents=True, exist_ok=True)
    command = ["sh", str(tmp_path / "bin" / "test-rooms"), *changed]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout == f"-q {folders}\n"
