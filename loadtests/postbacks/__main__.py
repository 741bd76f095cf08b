"""`python -m loadtests.postbacks`: redirects with and without a burst of 200 postbacks a second, which go to the same
process or to the intake; several rounds in turn, on this disk and on one whose every sync takes longer.

Exit status 1 unless the intake keeps both limits on this disk: postbacks' p99, and redirects' p99 against quiet.
"""

from __future__ import annotations

import argparse
import multiprocessing
import signal
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from loadtests.postbacks.load import click_request, paced, postback_request
from loadtests.postbacks.report import P99_MS_MAX, RATIO_MAX, Arrangement, Findings, p99, page, save
from loadtests.postbacks.scene import OWN, Place, click_ids, running

_RESULTS = Path(__file__).resolve().parents[1] / "results"


def main() -> int:
    """Measure, print, and save where that is wanted."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.postbacks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--clicks", type=float, default=300.0, help="redirects a second")
    parser.add_argument("--postbacks", type=float, default=200.0, help="postbacks a second in a burst")
    parser.add_argument("--sync-ms", type=float, nargs="*", default=[0.0, 5.0], help="how much longer each sync takes")
    parser.add_argument("--server", choices=("meinheld", "granian"), help="EDGE_SERVER of the edge")
    parser.add_argument("--save", action="store_true", help=f"write the dated result into {_RESULTS.name}/")
    options = parser.parse_args()
    # So that what was started is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = options.server or ("meinheld" if find_spec("meinheld") else "granian")
    found = Findings(server, options.rounds, options.seconds, options.clicks, options.postbacks)
    # Each load has an interpreter of its own, so that neither waits for the other.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for sync_ms in options.sync_ms:
            with running(server, sync_ms) as places:
                for place in places.values():
                    _round(pool, place, found, Arrangement())
                for _ in range(options.rounds):
                    for name, place in places.items():
                        _round(pool, place, found, found.at(sync_ms, name))
    sys.stdout.write(page(found, datetime.now(UTC)))
    if options.save:
        sys.stdout.write(f"written to {save(found, _RESULTS)}\n")
    return int(0.0 in options.sync_ms and not _holds(found.at(0.0, OWN)))


def _round(pool: ProcessPoolExecutor, place: Place, found: Findings, seen: Arrangement) -> None:
    clicks = [click_request()] * int(found.clicks_per_s * found.seconds)
    postbacks = [postback_request(click_id) for click_id in click_ids(int(found.postbacks_per_s * found.seconds))]
    redirected, recorded = b"HTTP/1.1 302", b"HTTP/1.1 200"
    quiet = pool.submit(paced, place.clicks_port, clicks, found.clicks_per_s, redirected).result()
    reported = pool.submit(paced, place.postbacks_port, postbacks, found.postbacks_per_s, recorded)
    beside = pool.submit(paced, place.clicks_port, clicks, found.clicks_per_s, redirected).result()
    latencies = reported.result()
    seen.quiet_p99.append(p99(quiet))
    seen.burst_p99.append(p99(beside))
    seen.postback_p50.append(statistics.median(latencies))
    seen.postback_p99.append(p99(latencies))


def _holds(seen: Arrangement) -> bool:
    return seen.ratio <= RATIO_MAX and statistics.median(seen.postback_p99) <= P99_MS_MAX


if __name__ == "__main__":
    sys.exit(main())
