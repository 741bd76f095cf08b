"""The edge as the demo calls it: one attempt a call, redirects not followed, header bytes sent as they were logged."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
import urllib3
from urllib3.util import SKIP_HEADER

from loadtests.demo.stack import DemoError, Stack
from loadtests.demo.visits import Visit

_TIMEOUT = urllib3.Timeout(connect=2, read=10)


class UnansweredError(DemoError):
    """No answer came: the process behind the connection may have been killed. Whether it was recorded is not known."""

    code = "unanswered"


class Answer(NamedTuple):
    """What the edge answered to a click; `click_id` is null when it recorded nothing."""

    status: int
    click_id: str | None
    reason: str | None


class EdgeClient:
    """One client for all threads of the demo."""

    def __init__(self, stack: Stack, connections: int) -> None:
        self.address = f"{stack.edge_host}:{stack.edge_port}"
        self._port = stack.edge_port
        self._pool = urllib3.HTTPConnectionPool(
            stack.edge_host,
            stack.edge_port,
            maxsize=connections,
            retries=False,
            timeout=_TIMEOUT,
        )

    def require(self) -> None:
        """Raise DemoError at once when nothing answers."""
        try:
            self._send("GET", "/livez", {})
        except UnansweredError as error:
            raise DemoError(
                f"no edge answers on {self.address}: start the stack with `make up` in another terminal, "
                "or set EDGE_HOST and EDGE_PORT to where it listens"
            ) from error

    def click(self, host: str, slug: str, visit: Visit) -> Answer:
        """Follow a link as a visitor would, or raise UnansweredError."""
        headers = {
            "Host": f"{host}:{self._port}",
            "User-Agent": visit.user_agent or SKIP_HEADER,
            "Accept-Encoding": SKIP_HEADER,
        }
        if visit.referrer:
            headers["Referer"] = visit.referrer
        if visit.address:
            headers["X-Forwarded-For"] = visit.address
        if visit.purpose:
            headers["Sec-Purpose"] = visit.purpose
        query = f"?{visit.query}" if visit.query else ""
        answer = self._send(visit.method, f"/click/{slug}{query}", headers)
        return Answer(
            answer.status,
            answer.headers.get("X-Waypost-Click-Id"),
            answer.headers.get("X-Waypost-Reason"),
        )

    def postback(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        token: str | None = None,
    ) -> tuple[int, Any]:
        """Send a postback and return its status and decoded body, or raise UnansweredError."""
        headers = {"User-Agent": "merchant-s2s/1.0"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = orjson.dumps(body)
        answer = self._send(method, path, headers, content)
        return answer.status, orjson.loads(answer.data) if answer.data else {}

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes | None = None,
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.urlopen(
                method,
                path,
                body=content,
                headers=headers,
                redirect=False,
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise UnansweredError(f"the edge on {self.address} did not answer ({type(error).__name__})") from error
