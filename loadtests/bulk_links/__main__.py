"""`python -m loadtests.bulk_links`: imports many links into a stack of its own and times it until the edge serves them.

The links are then changed, exported and deleted as unused. All processes share this machine.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import orjson
import urllib3

from config.settings import embedded_settings
from loadtests.demo.api import AdminApi
from loadtests.demo.stack import locate_stack
from loadtests.pipeline.stack import SHIPPING, BenchError, Stack, running_stack

LINKS_MAX = 100_000
_HOST = "bulk.example.com"
_ANSWER_S = 300.0
_LIVE_S = 600.0
_RESULTS = Path(__file__).resolve().parents[1] / "results"
Figures = dict[str, float]


class Admin:
    """The admin API of the stack, with as much patience as a large file needs."""

    def __init__(self, stack: Stack) -> None:
        located = locate_stack(embedded_settings(stack.environ))
        self._base = f"http://{located.admin_host}:{located.admin_port}/v1/links"
        self._headers = {"Authorization": f"ApiKey {located.token}"}

    def send(self, file: bytes, settings: dict[str, Any]) -> Any:
        """Send a file of links."""
        fields = {
            "settings": (None, orjson.dumps(settings), "application/json"),
            "file": ("links.csv", file, "text/csv"),
        }
        return self._json("/import", fields=fields)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send a body."""
        return self._json(path, body=orjson.dumps(body), headers={**self._headers, "Content-Type": "application/json"})

    def export(self) -> bytes:
        """Return all links as CSV."""
        answer = urllib3.request("GET", f"{self._base}/export.csv", headers=self._headers, timeout=_ANSWER_S)
        return answer.data

    def _json(self, path: str, **sent: Any) -> Any:
        request: dict[str, Any] = {"headers": self._headers, "timeout": _ANSWER_S, "retries": False} | sent
        answer = urllib3.request("POST", f"{self._base}{path}", **request)
        if answer.status != 200:
            raise BenchError(f"{path} answered {answer.status}: {answer.data[:500]!r}")
        return answer.json()


def main() -> int:
    """Measure, print, and perhaps write the figures; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bulk_links", description=__doc__)
    parser.add_argument("--links", type=int, default=LINKS_MAX, help="how many links, up to 100,000")
    parser.add_argument("--save", action="store_true", help="write the figures into loadtests/results")
    arguments = parser.parse_args()
    if not 1 <= arguments.links <= LINKS_MAX:
        parser.error(f"--links must be from 1 to {LINKS_MAX}")
    try:
        with running_stack({}, with_edge=True) as stack:
            figures = measure(stack, arguments.links)
    except BenchError as error:
        sys.stderr.write(f"bulk_links: {error.message}\n")
        return 1
    for name, seconds in figures.items():
        sys.stdout.write(f"{name:<32}{seconds:>8.1f} s\n")
    if arguments.save:
        now = datetime.now(UTC)
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        content = {"at": now, "machine": machine, "links": arguments.links, "seconds": figures}
        path = _RESULTS / f"bulk-links-{now:%Y-%m-%d}.json"
        path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
        sys.stdout.write(f"written: {path}\n")
    return 0


def measure(stack: Stack, links: int) -> Figures:
    """Return the seconds of each step."""
    api = AdminApi(locate_stack(embedded_settings(stack.environ)))
    api.create("/v1/profiles", {"name": "Bulk", "domain": _HOST})
    merchant = api.create("/v1/merchants", {"name": "Bulk"})
    api.create("/v1/sources", {"name": "Bulk"})
    stack.begin(*SHIPPING)
    admin, figures = Admin(stack), Figures()
    file = links_file(links, "old.example")
    settings = {"mode": "upsert", "defaults": {"merchant_id": merchant["merchant_id"]}}
    with timed(figures, "import, preview"):
        token = admin.send(file, settings)["token"]
    with timed(figures, "import, until live"):
        with timed(figures, "import"):
            admin.send(file, {**settings, "token": token})
        _await_live(stack, links - 1, "old.example")
    with timed(figures, "import again, unchanged"):
        admin.send(file, settings)
    change: dict[str, Any] = {"filter": {}, "change": {"replace": {"find": "old.example", "with": "new.example"}}}
    with timed(figures, "change, preview"):
        token = admin.post("/change", change)["token"]
    with timed(figures, "change, until live"):
        with timed(figures, "change"):
            admin.post("/change", {**change, "token": token})
        _await_live(stack, links - 1, "new.example")
    with timed(figures, "export"):
        admin.export()
    unused = {"filter": {}, "older_than_days": 0}
    token = admin.post("/delete-unused", unused)["token"]
    with timed(figures, "delete unused"):
        admin.post("/delete-unused", {**unused, "token": token})
    return figures


def links_file(links: int, host: str) -> bytes:
    """Return a CSV file of links as operators have them."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["name", "slug", "profile", "source", "destination_url", "sub1", "tags", "active"])
    for number in range(links):
        url = f"https://{host}/offers/{number}/landing?click={{click_id}}&s1={{sub1}}&campaign=summer-{number % 50}"
        writer.writerow([f"Offer {number}", f"b{number}", _HOST, "Bulk", url, f"p{number % 9}", "summer,2026", "true"])
    return text.getvalue().encode()


@contextmanager
def timed(figures: Figures, name: str) -> Iterator[None]:
    """Note how long a block takes."""
    began = monotonic()
    yield
    figures[name] = monotonic() - began


def _await_live(stack: Stack, number: int, host: str) -> None:
    """Wait until the edge redirects the last link to a host. Links are published in the order of their rows."""
    url = f"http://127.0.0.1:{stack.environ['EDGE_PORT']}/click/b{number}"
    deadline = monotonic() + _LIVE_S
    while monotonic() < deadline:
        stack.check()
        answer = urllib3.request("HEAD", url, headers={"Host": _HOST}, redirect=False, retries=False, timeout=10)
        if f"//{host}/" in answer.headers.get("Location", ""):
            return
        sleep(0.1)
    raise BenchError(f"the last link was not live within {_LIVE_S:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
