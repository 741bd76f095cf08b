"""`make up`: one clear sentence where it cannot start, nothing left where it stops, and recovery from its own death."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded_servers import server_home
from running_stack import ROOT, Stack, is_alive, kill_session, members, stack_environ, start
from waiting import free_port, wait_until


@pytest.fixture(scope="module")
def own_stack() -> Iterator[Stack]:
    """Yield a stack that the tests of this module stop and start; the session's stack stays as it is."""
    with server_home() as directory:
        stack = start(directory / "home")
        yield stack
        kill_session(stack)


@pytest.fixture
def new_home() -> Iterator[Path]:
    with server_home() as directory:
        yield directory / "home"


def up(environ: dict[str, str], timeout_s: float = 60) -> tuple[int, str]:
    """Run the supervisor to its end and return its exit status and what it printed."""
    run = subprocess.run(
        [sys.executable, "-m", "config.up"],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return run.returncode, run.stdout


def assert_refused(environ: dict[str, str], setting: str) -> None:
    status, printed = up(environ)
    assert status != 0
    assert "Traceback" not in printed
    lines = [line for line in printed.splitlines() if setting in line]
    assert lines, f"nothing names {setting}:\n{printed}"


def restart(stack: Stack) -> Stack:
    return start(stack.home, stack.environ)


def test_a_second_one_on_the_same_home_is_refused(own_stack: Stack) -> None:
    environ = stack_environ(own_stack.home)
    assert_refused(environ, "WAYPOST_HOME")
    assert own_stack.edge("/livez").status == 200
    assert own_stack.process.poll() is None


@pytest.mark.parametrize(
    "setting",
    ["EDGE_PORT", "INTAKE_PORT", "ADMIN_PORT", "STREAM_PORT", "EMBEDDED_POSTGRES_PORT", "EMBEDDED_VALKEY_PORT"],
)
def test_a_taken_port_is_named_with_its_setting(new_home: Path, setting: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert_refused(stack_environ(new_home, **{setting: str(taken.getsockname()[1])}), setting)


@pytest.mark.parametrize(
    ("setting", "scheme", "rest"), [("DATABASE_URL", "postgresql", "waypost"), ("REDIS_URL", "redis", "0")]
)
def test_an_unreachable_server_is_named_with_its_setting(new_home: Path, setting: str, scheme: str, rest: str) -> None:
    url = f"{scheme}://nobody:nothing@127.0.0.1:{free_port()}/{rest}"
    environ = stack_environ(new_home, **{setting: url})
    status, printed = up(environ)
    assert status != 0
    assert setting in printed
    assert "nothing@" not in printed, "the password is printed"


@pytest.mark.parametrize(
    ("setting", "value"), [("EDGE_PORT", "80800"), ("EDGE_SERVER", "apache"), ("CLICK_ID_KEYS", "x")]
)
def test_a_bad_setting_is_named(new_home: Path, setting: str, value: str) -> None:
    assert_refused(stack_environ(new_home, **{setting: value}), setting)


def test_after_a_kill_of_the_supervisor_the_next_start_recovers(own_stack: Stack) -> None:
    before = members(own_stack)
    os.kill(own_stack.process.pid, signal.SIGKILL)
    own_stack.process.wait(10)
    again = restart(own_stack)
    own_stack.process = again.process
    assert {pid: command for pid, command in before.items() if is_alive(pid)} == {}
    assert again.edge("/readyz").status == 200
    assert again.api("GET", "/v1/ledger").json["difference"] == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_stopping_leaves_no_process_and_starting_again_finds_everything(own_stack: Stack, how: signal.Signals) -> None:
    if own_stack.process.poll() is not None:
        own_stack.process = restart(own_stack).process
    profile = own_stack.create("/v1/profiles", {"name": how.name, "domain": f"{how.name.lower()}.localhost"})
    before = members(own_stack)
    assert len(before) >= 8
    assert own_stack.stop(how) == 0
    wait_until(lambda: not [pid for pid in before if is_alive(pid)], what="every process to end")
    assert members(own_stack) == {}
    own_stack.process = restart(own_stack).process
    assert own_stack.api("GET", f"/v1/profiles/{profile['profile_id']}").status == 200


def test_the_first_token_is_private(own_stack: Stack) -> None:
    path = own_stack.home / "admin-token"
    assert path.stat().st_mode & 0o777 == 0o600
    assert own_stack.token.startswith("wp_")
    assert own_stack.token not in own_stack.log or "admin-token" in own_stack.log
