"""Follows a test click from our own edge to the page where it ends: at most ten hops and half a minute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore
from time import monotonic, time
from urllib.parse import quote, urlsplit

from admin_api.http import ConflictError
from admin_api.link_test.objects import AskedClick, ChainEnd, Hop
from admin_api.link_test.requests import OwnEdge, Web, ask, ask_edge
from tracking.clicks import mint_test_token

HOPS_MAX = 10
TEST_S_MAX = 30.0
# Each test keeps a thread of the admin API busy.
TESTS_AT_ONCE = 2
_QUERY_SAFE = "%/?[]@!$&'()*+,;=:~{}|^`"
_TRACKING_PATHS = ("click", "route")


@dataclass(frozen=True, slots=True)
class Chain:
    """The hops of a test, and how it ended."""

    end: ChainEnd
    hops: list[Hop]


class LinkTester:
    """Makes test clicks. `is_own` says of a host whether it is one of our tracking domains."""

    def __init__(self, edge: OwnEdge, keys: Sequence[bytes], web: Web) -> None:
        self._edge = edge
        self._keys = keys
        self._web = web
        self._running = BoundedSemaphore(TESTS_AT_ONCE)

    def follow(self, url: str, click: AskedClick, is_own: Callable[[str], bool]) -> Chain:
        """Return the way of a click that begins at `url`, the public URL of a link. Raises ConflictError when others
        are being tested.
        """
        if not self._running.acquire(blocking=False):
            raise ConflictError(f"{TESTS_AT_ONCE} tests are running; try again in a moment", code="test-running")
        try:
            # Of what is printable, only a space and a fragment would end the query.
            query = quote(click.query, safe=_QUERY_SAFE)
            return self._followed(f"{url}?{query}" if query else url, click, is_own)
        finally:
            self._running.release()

    def _followed(self, start: str, click: AskedClick, is_own: Callable[[str], bool]) -> Chain:
        hops: list[Hop] = []
        seen: set[str] = set()
        deadline = monotonic() + TEST_S_MAX
        url = start
        while True:
            if url in seen:
                return Chain(ChainEnd.LOOP, hops)
            if len(hops) == HOPS_MAX:
                return Chain(ChainEnd.TOO_MANY_HOPS, hops)
            if monotonic() > deadline:
                return Chain(ChainEnd.TOO_LONG, hops)
            seen.add(url)
            hop = self._hop(url, click, is_own, is_first=not hops)
            hops.append(hop)
            if hop.status is None:
                return Chain(ChainEnd.FAILED, hops)
            if hop.location is None:
                return Chain(ChainEnd.ARRIVED if hop.status < 400 else ChainEnd.REFUSED, hops)
            url = hop.location

    def _hop(self, url: str, click: AskedClick, is_own: Callable[[str], bool], *, is_first: bool) -> Hop:
        headers = _headers(click)
        split = urlsplit(url)
        host, (kind, _, slug) = (split.hostname or "").rstrip("."), split.path.lstrip("/").partition("/")
        # A link that leads to another of our links is tested there too, or a real click would be counted.
        if is_first or (kind in _TRACKING_PATHS and slug and is_own(host)):
            token = mint_test_token(self._keys[0], host, slug, time())
            path = f"/test-click/{slug}" + (f"?{split.query}" if split.query else "")
            return ask_edge(self._edge, url, path, {**headers, "Host": host, "X-Waypost-Test": token})
        return ask(self._web, url, headers)


def _headers(click: AskedClick) -> dict[str, str]:
    named = {"User-Agent": click.user_agent, "Referer": click.referrer, "Accept-Language": click.accept_language}
    # As bytes of UTF-8, which http.client sends as they are.
    sent = {name: value.encode().decode("latin-1") for name, value in named.items() if value}
    return {"Accept": "text/html,*/*;q=0.5", "Accept-Encoding": "identity", **sent}
