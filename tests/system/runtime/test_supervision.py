"""Supervision with stand-ins for the programs: what dies is started again, and stopping leaves no process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from config.supervision import identity
from waiting import free_port, wait_until

ROOT = Path(__file__).resolve().parents[3]
# Two stand-ins; the second one has a child in its group, as a WSGI server has. INTAKE_PORT=0 leaves out the intake.
_PROCFILE = """\
intake: exec python -c 'raise SystemExit("started")'
alone: exec python -c 'import time; time.sleep(300)'
group: python -c 'import time; time.sleep(301)' & exec python -c 'import time; time.sleep(302)'
"""
Launch = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def launch(home: Path, tmp_path: Path, database_url: str, redis_url: str) -> Iterator[Launch]:
    """Start supervisors of one home on servers that are there already; output goes to up.log."""
    (tmp_path / "Procfile").write_text(_PROCFILE)
    environ = os.environ | {
        "WAYPOST_HOME": str(home),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "EDGE_PORT": str(free_port()),
        "INTAKE_PORT": "0",
        "ADMIN_PORT": str(free_port()),
        "STREAM_PORT": "0",
    }
    started = []

    def start(procfile: str = "Procfile", migrate: str = "true", *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "config.up", "--procfile", str(tmp_path / procfile), "--migrate", migrate]
        command += options
        with (tmp_path / "up.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


def _pid(home: Path, name: str, not_this: int | None = None) -> int:
    def read() -> int | None:
        try:
            pid: int = orjson.loads((home / "run" / f"{name}.process").read_bytes())[0]
        except FileNotFoundError:
            return None
        return pid if pid != not_this and identity(pid) is not None else None

    pid = wait_until(read, what=f"{name} to run")
    assert pid is not None
    return pid


def _group(leader: int) -> list[int]:
    def members() -> list[int]:
        listed = subprocess.run(["ps", "-o", "pid=", "-s", str(leader)], capture_output=True, text=True).stdout
        return [int(pid) for pid in listed.split() if identity(int(pid)) is not None]

    return wait_until(lambda: found if len(found := members()) == 2 else [], what="both processes of the group")


def test_program_that_is_killed_comes_back(launch: Launch, home: Path) -> None:
    launch()
    first = _pid(home, "alone")
    os.kill(first, signal.SIGKILL)
    assert _pid(home, "alone", not_this=first) != first


def test_what_a_killed_program_leaves_of_its_group_is_ended_before_it_comes_back(launch: Launch, home: Path) -> None:
    launch()
    first = _pid(home, "group")
    orphan = next(pid for pid in _group(first) if pid != first)
    os.kill(first, signal.SIGKILL)
    second = _pid(home, "group", not_this=first)
    assert identity(orphan) is None
    assert len(_group(second)) == 2


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_no_process_and_exits_0(launch: Launch, home: Path, how: signal.Signals) -> None:
    supervisor = launch()
    pids = [_pid(home, "alone"), *_group(_pid(home, "group"))]
    supervisor.send_signal(how)
    assert supervisor.wait(30) == 0
    assert [identity(pid) for pid in pids] == [None] * 3


def test_next_start_after_a_kill_of_the_supervisor_ends_what_it_left(launch: Launch, home: Path) -> None:
    supervisor = launch()
    alone, (leader, child) = _pid(home, "alone"), sorted(_group(_pid(home, "group")))
    os.kill(leader, signal.SIGKILL)
    supervisor.kill()
    supervisor.wait(10)
    launch()
    assert _pid(home, "alone", not_this=alone) != alone
    assert [identity(pid) for pid in (alone, leader, child)] == [None] * 3


def test_second_start_on_the_same_home_says_so_and_leaves_the_first_alone(
    launch: Launch, home: Path, tmp_path: Path
) -> None:
    launch()
    pid = _pid(home, "alone")
    assert launch().wait(30) == 1
    assert f"WAYPOST_HOME={home}" in (tmp_path / "up.log").read_text()
    assert identity(pid) is not None


def test_program_that_does_not_start_stops_everything_and_is_named(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("edge: echo no luck; exit 3\n")
    assert launch("broken").wait(60) == 1
    text = (tmp_path / "up.log").read_text()
    assert "no luck" in text
    assert "waypost: edge stops as soon as it is started" in text


def test_failed_migration_starts_nothing(launch: Launch, home: Path, tmp_path: Path) -> None:
    assert launch(migrate="echo old; exit 1").wait(60) == 1
    assert "waypost: the migrations failed" in (tmp_path / "up.log").read_text()
    assert not list((home / "run").glob("*.process"))


def test_a_program_that_is_left_out_does_not_run_and_its_command_is_shown(
    launch: Launch, home: Path, tmp_path: Path
) -> None:
    launch("Procfile", "true", "--without", "alone")
    log = tmp_path / "up.log"
    wait_until(lambda: "Left out: alone" in log.read_text(), what="the screen")
    assert f"WAYPOST_HOME={home} {sys.executable} -c 'import time; time.sleep(300)'" in log.read_text()
    assert _group(_pid(home, "group"))
    assert not (home / "run" / "alone.process").exists()


def test_a_name_that_is_not_in_the_procfile_cannot_be_left_out(launch: Launch, tmp_path: Path) -> None:
    assert launch("Procfile", "true", "--without", "nobody").wait(60) == 1
    assert "waypost: --without nobody names no program; there are alone, group" in (tmp_path / "up.log").read_text()
