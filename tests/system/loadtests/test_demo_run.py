"""`make demo` against the running stack: nothing is lost, it works again and again, and fails where it should."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from running_stack import ROOT, Stack, stack_environ

LOG_LINES = (
    '192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 10 "https://r.example/" "Mozilla/5.0 (X11)"',
    '192.0.2.2 - frank [17/May/2015:10:05:03 +0000] "POST /form HTTP/1.1" 302 - "-" "curl/8"',
    '2001:db8::1 - - [17/May/2015:10:05:03 +0000] "HEAD / HTTP/1.0" 200 0 "-" "-"',
    r'192.0.2.3 - - [17/May/2015:10:05:03 +0000] "GET /\xc3\xa9?q=\"x\" HTTP/1.1" 200 1 "\xff\x00" "a \"b\" \x1b[0m"',
    "this is not a log line",
    r'192.0.2.4 - - [17/May/2015:10:05:03 +0000] "\x16\x03\x01" 400 0 "-" "-"',
    "",
)


def demo(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests.demo", *arguments],
        cwd=ROOT,
        env=environ | {"COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_demo_ends_with_difference_0_every_time(stack: Stack, seed: str) -> None:
    done = demo(stack.environ, "--requests", "400", "--share", "0.3", "--seed", seed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "difference 0" in done.stdout
    assert all(word in done.stdout for word in ("registration", "ftd", "deposit", "approved payout", "declared lost"))
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_the_demo_replays_an_access_log(stack: Stack, tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "access.log"
    data = "\n".join(LOG_LINES * 3).encode()
    path.write_bytes(gzip.compress(data) if compressed else data)
    done = demo(stack.environ, "--log", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 lines of access.log: 6 malformed and skipped, 3 replayed as GET (3 POST)" in " ".join(
        done.stdout.split()
    )
    assert "difference 0" in done.stdout


def test_without_a_stack_the_demo_says_what_to_start(tmp_path: Path) -> None:
    environ = stack_environ(tmp_path / "home")
    done = demo(environ)
    assert done.returncode != 0
    assert "make up" in done.stdout
    assert "WAYPOST_HOME" in done.stdout
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "admin-token").write_text("wp_x\n")
    done = demo(environ)
    assert done.returncode != 0
    assert "ADMIN_PORT" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_log_that_cannot_be_read_is_named(stack: Stack, tmp_path: Path) -> None:
    done = demo(stack.environ, "--log", str(tmp_path / "missing.log"))
    assert done.returncode != 0
    assert "missing.log" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
