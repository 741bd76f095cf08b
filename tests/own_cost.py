"""`python -m tests.own_cost`: what our own code costs in one click, in process and without a server, line by line.

Each line is the fastest of many short runs in CPU time of this thread, so that other work on the machine stays out.
`python -m tests.own_cost rules` prints what rules, a look at the place of the visitor and caps add to a plain click.
`python -m tests.own_cost instructions` counts instead, which no other work can change: the instructions of a click, and
how much code they lie in, which under a server has left the processor's caches from one click to the next.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import thread_time
from typing import Any, NamedTuple

import falcon

from config.configuration import MirrorReader
from config.geo import GeoDatabases
from config.settings import edge_settings
from edge.app import Collaborators, create_app
from edge.caps import Caps
from edge.clicks import Router
from edge.clicks.decision import Redirect, decide
from edge.clicks.visit import Visit
from edge.http import EdgeRequest, EdgeResponse
from edge.postbacks import DuplicateMarkers
from edge.routing import Rotations
from edge.spool import Recorder
from loadtests.bench.mirrors import HOST, build
from loadtests.bench.routed import DOCUMENTS, add_routed_links
from tests.instructions import Footprint, footprints, mark
from tracking.clicks import expand, parse_query

QUERY = "sub1=a&sub2=b"
_RUN, _RUNS = 100, 300
_OUT = {"location": "https://m.example/p", "cache-control": "no-store", "x-waypost-click-id": "x"}


class Cost(NamedTuple):
    """Microseconds of one line."""

    name: str
    us: float


class _Null:
    """A responder that decides, records and looks up nothing."""

    def on_get(self, req: falcon.Request, resp: EdgeResponse, slug: str) -> None:
        resp.redirect(falcon.HTTP_302, dict(_OUT))


class _StockNull:
    def on_get(self, req: falcon.Request, resp: falcon.Response, slug: str) -> None:
        resp.status = falcon.HTTP_302
        for name, value in _OUT.items():
            resp.set_header(name, value)


def environ(slug: str = "link1") -> dict[str, Any]:
    """Return the WSGI environment of a click."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"/click/{slug}",
        "QUERY_STRING": QUERY,
        "HTTP_HOST": HOST,
        "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
        "HTTP_ACCEPT_LANGUAGE": "en",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
    }


def fastest_us(call: Callable[[], object], runs: int = _RUNS) -> float:
    """Return microseconds of one call in the fastest of `runs` runs of 100."""
    best = float("inf")
    for _ in range(runs):
        began = thread_time()
        for _ in range(_RUN):
            call()
        best = min(best, thread_time() - began)
    return best / _RUN * 1e6


@contextmanager
def edge_parts(home: Path) -> Iterator[tuple[Collaborators, Any]]:
    """Yield what one edge process works with, and its application, over a mirror of ten links."""
    build(home, 10)
    settings = edge_settings({"WAYPOST_HOME": str(home), "REDIS_URL": "redis://127.0.0.1:1/0", "EDGE_NODE_ID": "1"})
    add_routed_links(home, settings.spool_dir)
    recorder = Recorder(settings)
    parts = Collaborators(
        MirrorReader(settings.mirror_dir),
        recorder,
        GeoDatabases(),
        Caps(settings.spool_dir, recorder.slot_name),
        DuplicateMarkers(settings.redis_url),
    )
    yield parts, create_app(settings, parts)
    parts.recorder.close()
    parts.mirror.close()


def own_and_frame(app: Any, runs: int = _RUNS) -> tuple[float, float]:
    """Return microseconds of a click in all, and of the same request through Falcon with a responder of no work."""
    return _of(app, runs), _of(frame_app(), runs)


def frame_app() -> Any:
    """Return a Falcon application as the edge's, with a responder of no work."""
    frame: Any = falcon.App(media_type=falcon.MEDIA_TEXT, request_type=EdgeRequest, response_type=EdgeResponse)
    frame.add_route("/click/{slug}", _Null())
    return frame


def _of(app: Any, runs: int) -> float:
    return fastest_us(lambda: app(environ(), lambda *_: None), runs)


def costs(home: Path) -> list[Cost]:
    """Return the budget of one click."""
    with edge_parts(home) as (parts, app):
        stock: Any = falcon.App()
        stock.add_route("/click/{slug}", _StockNull())
        router = Router(parts.mirror, Rotations(parts.mirror))
        decision = router.decide(HOST, "link1")
        assert isinstance(decision, Redirect)
        visit = Visit(environ(), decision, 0, parts.geo)
        recorder = parts.recorder
        click_id, at_ms = recorder._mint.mint()
        payload = visit.record(click_id, at_ms)
        descriptor = os.open(home / "written", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        every, frame = own_and_frame(app)
        lines = [
            Cost("a click in all", every),
            Cost("Falcon with our request and response, no work", frame),
            Cost("OWN CODE: the difference", every - frame),
            Cost("decide: remembered", fastest_us(lambda: router.decide(HOST, "link1"))),
            Cost("mint the click id", fastest_us(recorder._mint.mint)),
            Cost("parse the query", fastest_us(lambda: parse_query(QUERY))),
            Cost("fill in the destination, parsing included", fastest_us(lambda: _fill(decision, click_id))),
            Cost("record, filling in included", fastest_us(lambda: visit.record(click_id, at_ms))),
            Cost("append to the spool, write(2) included", fastest_us(lambda: recorder._clicks.append(payload))),
            Cost("write(2) of the same bytes alone", fastest_us(lambda: os.write(descriptor, payload))),
            Cost("for comparison: decide, not remembered", fastest_us(lambda: decide(parts.mirror, HOST, "link1"))),
            Cost("for comparison: Falcon as it comes, no work", _of(stock, _RUNS)),
            Cost("for comparison: an empty lambda", fastest_us(lambda: None)),
        ]
        os.close(descriptor)
        return lines


def routed_costs(home: Path, runs: int = _RUNS) -> list[Cost]:
    """Return microseconds of a click of a plain link, and of one of each link with rules.

    They are measured in turn, so that the machine's slow and fast moments are shared out.
    """
    with edge_parts(home) as (_, app):
        best = dict.fromkeys(["link1", *DOCUMENTS], float("inf"))
        for _ in range(10):
            for slug in best:
                best[slug] = min(
                    best[slug], fastest_us(lambda slug=slug: app(environ(slug), _start_response), runs // 10)
                )  # type: ignore[misc]
    return [Cost(slug, us) for slug, us in best.items()]


def _fill(decision: Redirect, click_id: str) -> str:
    return expand(decision.expansion, click_id, QUERY, str)


COUNTED = ("a click in all", "the same, through Falcon alone")


def count() -> list[Footprint]:
    """Return what the calls of COUNTED run, or nothing where a process may not be traced."""
    return footprints([sys.executable, "-m", "tests.own_cost", "count"], Path(__file__).resolve().parents[1])


def _be_counted(home: Path) -> None:
    with edge_parts(home) as (_, app):
        frame, env = frame_app(), environ()
        mark([lambda: app(env, _start_response), lambda: frame(env, _start_response)])


def _start_response(*_: object) -> None:
    """Take the answer."""


def main(wanted: list[str]) -> None:
    """Print the budget, or the counts."""
    if wanted == ["instructions"]:
        for name, found in zip(COUNTED, count(), strict=True):
            kilobytes = found.lines * 64 / 1024
            sys.stdout.write(f"{name:35s} {found.instructions:7,d} instructions in {kilobytes:4.0f} kB of code")
            sys.stdout.write(f" on {found.pages} pages\n")
        return
    with tempfile.TemporaryDirectory(prefix="waypost-own-cost-") as directory:
        if wanted == ["count"]:
            _be_counted(Path(directory))
            return
        if wanted == ["rules"]:
            plain, *others = routed_costs(Path(directory))
            sys.stdout.write(f"{'a click of a plain link':30s} {plain.us:6.2f} us\n")
            for slug, us in others:
                sys.stdout.write(f"{slug:30s} {us:6.2f} us, {us - plain.us:5.2f} us more, {us / plain.us:.2f} times\n")
            return
        for name, us in costs(Path(directory)):
            sys.stdout.write(f"{name:50s} {us:6.2f} us\n")


if __name__ == "__main__":
    main(sys.argv[1:])
