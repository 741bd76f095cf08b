"""What an earlier run left is ended, and nothing else: a process id that someone else has now is left alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.supervision import RunRecord, end_leftovers, identity
from config.supervision.leftovers import MARK
from waiting import wait_until

# A test run in the background of a script inherits an ignored SIGINT, and Python then leaves it ignored.
_SLEEPER = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(60)",
]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(_SLEEPER, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_identity_is_that_of_one_process_for_its_life(sleeper: subprocess.Popen[bytes]) -> None:
    before = identity(sleeper.pid)
    assert before is not None
    assert before == identity(sleeper.pid)
    assert before != identity(os.getpid()) or sleeper.pid == os.getpid()
    sleeper.kill()
    wait_until(lambda: identity(sleeper.pid) is None, what="the process to be gone")  # A zombie is gone, too.


def test_recorded_process_is_ended_with_its_own_signal(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    RunRecord(tmp_path).began("sleeper", sleeper.pid, signal.SIGINT, 0)
    assert end_leftovers(tmp_path) == 1
    assert sleeper.wait(10) == -signal.SIGINT
    assert end_leftovers(tmp_path) == 0


def test_reused_process_id_is_left_alone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    RunRecord(tmp_path).began("sleeper", sleeper.pid, signal.SIGTERM, 0)
    record = tmp_path / "sleeper.process"
    begun = identity(sleeper.pid)
    assert begun is not None
    record.write_bytes(record.read_bytes().replace(begun.encode(), b"another-boot/1"))
    assert end_leftovers(tmp_path) == 0
    assert sleeper.poll() is None


def test_unrecorded_process_is_known_by_the_mark_of_its_run(tmp_path: Path) -> None:
    record = RunRecord(tmp_path)
    with subprocess.Popen(_SLEEPER, env={MARK: record.mark}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert end_leftovers(tmp_path) == 1
        assert process.wait(10) == -signal.SIGTERM


def test_record_cut_short_by_a_power_cut_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "edge.process").write_bytes(b"[12,")
    assert end_leftovers(tmp_path) == 0
    assert not list(tmp_path.glob("*.process"))
