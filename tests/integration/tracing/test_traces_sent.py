"""Spans reach a collector over HTTP, and one that is away neither fails nor holds up the process."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic

from waiting import free_port

ROOT = Path(__file__).resolve().parents[3]
_PROGRAM = """
import sys
from config.tracing import span, start_tracing
assert start_tracing(sys.argv[1], "waypost-of-a-test")
with span("worker.clicks.store_batch", {"messaging.destination.name": "clicks"}):
    pass
"""


def run(endpoint: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _PROGRAM, endpoint], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_a_collector_gets_spans_at_the_latest_when_the_process_ends() -> None:
    got: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        done = run(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert done.returncode == 0, done.stderr
    ((path, body),) = got
    assert path == "/v1/traces"
    assert b"waypost-of-a-test" in body
    assert b"worker.clicks.store_batch" in body


def test_a_collector_that_is_away_does_not_hold_up_the_end_of_a_process() -> None:
    began = monotonic()
    done = run(f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 0
    # A worker has 8 s to stop.
    assert monotonic() - began < 8
