"""Each Locust scenario, headless for a moment against a real stack: its CSV and HTML exist and nothing failed."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import urllib3

from running_stack import ROOT, Stack
from waiting import free_port, wait_until
from world import World

NAMES = {
    "Redirects": {"/click/[link]"},
    "UnknownSlugs": {"/click/[unknown]"},
    "PostbackBurst": {"/postback/[token]"},
    "MixedDay": {"/click/[link]"},
}
REQUESTS_MIN = 5


def locust(stack: Stack, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--host", stack.edge_url]
    return [*command, "--api", stack.admin_url, "--api-token-file", str(stack.home / "admin-token"), *arguments]


def environ() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def run_headless(stack: Stack, directory: Path, names: set[str], *arguments: str) -> dict[str, Any]:
    """Run until its CSV has requests of these names, then end it as Ctrl-C does; return the CSV's rows by name."""
    wanted = ["--headless", "--users", "5", "--spawn-rate", "5", "--run-time", "90s", "--links", "5", "--only-summary"]
    files = ["--csv", str(directory / "run"), "--html", str(directory / "run.html")]
    command = locust(stack, *wanted, *files, *arguments)
    with (directory / "run.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ(),
            stdout=log,
            stderr=log,
            preexec_fn=hear_of_ctrl_c,  # noqa: PLW1509 - it takes no lock
        )
    try:
        wait_until(lambda: has_requests(process, rows_in(directory), names), 80, f"requests of {names}")
        process.send_signal(signal.SIGINT)
        status = process.wait(60)
    finally:
        process.kill()
        process.wait(30)
    assert status == 0, (directory / "run.log").read_text()
    assert "<html" in (directory / "run.html").read_text()
    return rows_in(directory)


def hear_of_ctrl_c() -> None:
    """Take SIGINT as a program does in a terminal; one that a shell starts in the background is deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def rows_in(directory: Path) -> dict[str, Any]:
    """Return the rows that Locust has written, which it does every second and at its end.

    RACE: it is read at once. A reader that finds the file empty, and then filled, takes the first row for the heading.
    """
    try:
        written = (directory / "run_stats.csv").read_text()
    except FileNotFoundError:
        return {}
    # A last line without its end is being written.
    return {row["Name"]: row for row in csv.DictReader(written[: written.rfind("\n") + 1].splitlines())}


def has_requests(process: subprocess.Popen[bytes], rows: dict[str, Any], names: set[str]) -> bool:
    assert process.poll() is None, "Locust is gone"
    return names <= set(rows) and int(rows.get("Aggregated", {}).get("Request Count") or 0) >= REQUESTS_MIN


def assert_all_good(rows: dict[str, Any], names: set[str]) -> None:
    assert names <= set(rows)
    assert {name: row["Failure Count"] for name, row in rows.items()} == dict.fromkeys(rows, "0")
    assert int(rows["Aggregated"]["Request Count"]) >= REQUESTS_MIN


@pytest.mark.parametrize("scenario", NAMES)
def test_a_scenario_runs_headless_without_a_failure(stack: Stack, tmp_path: Path, scenario: str) -> None:
    assert_all_good(run_headless(stack, tmp_path, NAMES[scenario], scenario), NAMES[scenario])


def test_a_given_list_of_urls_is_used_and_nothing_is_made(world: World, stack: Stack, tmp_path: Path) -> None:
    links = [world.link() for _ in range(2)]
    before = len(stack.api("GET", "/v1/profiles?limit=500").json["items"])
    (tmp_path / "urls").write_text("# mine\n" + "\n".join(f"http://{link['host']}{link['path']}" for link in links))
    rows = run_headless(stack, tmp_path, {"/click/[link]"}, "Redirects", "--urls", str(tmp_path / "urls"))
    assert_all_good(rows, {"/click/[link]"})
    assert len(stack.api("GET", "/v1/profiles?limit=500").json["items"]) == before


def test_without_a_target_it_says_what_to_give(stack: Stack, tmp_path: Path) -> None:
    command = locust(stack, "--headless", "--run-time", "3s", "--api-token-file", str(tmp_path / "none"), "Redirects")
    done = subprocess.run(command, cwd=ROOT, env=environ(), capture_output=True, text=True, timeout=100)
    assert done.returncode != 0
    assert "--api-token" in done.stderr


def test_the_web_page_opens_and_offers_the_scenarios(stack: Stack, tmp_path: Path) -> None:
    port = free_port()
    command = locust(stack, "--web-host", "127.0.0.1", "--web-port", str(port), "--class-picker")
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environ(), stdout=log, stderr=log)
    try:
        page = wait_until(lambda: page_at(process, port), 60, "Locust's page")
    finally:
        process.terminate()
        process.wait(30)
    assert all(name in page for name in NAMES)
    assert "api_token" not in page.replace("api_token_file", "")


def page_at(process: subprocess.Popen[bytes], port: int) -> str:
    assert process.poll() is None
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/", timeout=5.0, retries=False).data.decode()
    except urllib3.exceptions.HTTPError:
        return ""
