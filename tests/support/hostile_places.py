"""Where the corpus of hostile requests is sent: each server by itself and behind each shipped proxy, and what came of
it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bare_edge import BareEdge, running_edge
from exchanges import exchanges
from front_proxy import running_caddy, running_nginx
from hostile_corpus import CORPUS, request_named

NOTHING = "nothing"
PROXIES = {"nginx": running_nginx, "caddy": running_caddy}
# gunicorn's own answers in the debugging server: 501 before our code, 500 when its body reader raises.
_BAD_CHUNKS = ("size-nonsense", "size-minus", "size-hex", "extension-lf", "without-end", "trailer-host")
OWN_5XX = {("gthread", name, 501) for name in ("te-unknown", "te-quoted")}
OWN_5XX |= {("gthread", f"chunk-{name}", 500) for name in _BAD_CHUNKS}
# Go's HTTP server answers these before Caddy's configuration has a say: an unknown coding, a version from the future.
_CODINGS = ("te-twice", "te-gzip-chunked", "te-unknown", "te-vertical-tab", "te-quoted")
CADDYS_5XX = {("caddy", name, 501) for name in _CODINGS} | {
    ("caddy", f"http-{version}", 505) for version in ("2.0", "9.9")
}
# meinheld's parser reads trailers into a request that is gone already, and its process dies of it.
CRASHES = {"meinheld": {"chunk-trailer", "chunk-trailer-host"}}


class Place:
    """One edge and where it is reached: its own port or a proxy's. Each request of the corpus is sent once."""

    def __init__(self, edge: BareEdge, port: int, behind: str) -> None:
        self.edge = edge
        self.port = port
        self.behind = behind
        self.crashes = CRASHES.get(edge.server, set()) if behind == NOTHING else set()
        self.answers = exchanges(port, {name: request_named(name) for name in CORPUS if name not in self.crashes})
        self.recorded: Counter[str] = Counter()
        for click in edge.clicks():
            self.recorded.update(name for name in CORPUS if f"sub1={name}&" in f"{click.query}&")

    def verdict(self, name: str) -> str:
        """Return what came of a request: `through`, `refused`, `dies`, or the status of a server's own failure."""
        if name in self.crashes:
            return "dies"
        statuses = self.answers[name].statuses
        if failures := [status for status in statuses if status >= 500]:
            return str(failures[0])
        return "through" if any(status < 400 for status in statuses) else "refused"


@contextmanager
def running_place(server: str, behind: str, home: Path) -> Iterator[Place]:
    """Run an edge under a server, behind a proxy or `nothing`, and send it the corpus."""
    with ExitStack() as stack:
        proxied = behind in PROXIES
        edge = stack.enter_context(running_edge(server, home / "edge", TRUSTED_PROXIES=str(int(proxied))))
        port = stack.enter_context(PROXIES[behind](home / "proxy", edge.port)).port if proxied else edge.port
        yield Place(edge, port, behind)
