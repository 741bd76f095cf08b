"""The admin API as the demo calls it: JSON in and out, patient with an admin process that is just being
restarted, or says that it is asked too often.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from threading import Event
from time import monotonic
from typing import Any

import urllib3

from loadtests.demo.stack import DemoError, Stack

PATIENCE_S = 60.0
_RETRY_PAUSE_S = 0.2
_TIMEOUT = urllib3.Timeout(connect=2, read=15)


class ApiError(DemoError):
    """The admin API refused a request."""

    def __init__(self, status: int, problem: dict[str, Any], request: str) -> None:
        detail = problem.get("detail") or problem.get("title", "")
        super().__init__(
            f"{request} answered {status} {problem.get('code', '')}: {detail}",
            code=str(problem.get("code", "api-error")),
        )
        self.status = status


class AdminApi:
    """One client for all threads of the demo."""

    def __init__(self, stack: Stack, connections: int = 8) -> None:
        self._address = f"{stack.admin_host}:{stack.admin_port}"
        self._pool = urllib3.HTTPConnectionPool(
            stack.admin_host,
            stack.admin_port,
            maxsize=connections,
            retries=False,
            timeout=_TIMEOUT,
        )
        # Nobody else edits what the demo makes.
        self._headers = {"Authorization": f"ApiKey {stack.token}", "If-Match": "*"}

    def require(self) -> None:
        """Raise DemoError at once when nothing answers, so that a forgotten `make up` is not waited for."""
        try:
            self._pool.request("GET", "/livez")
        except urllib3.exceptions.HTTPError as error:
            raise DemoError(
                f"no admin API answers on {self._address}: start the stack with `make up` in another terminal, "
                "or set ADMIN_HOST and ADMIN_PORT to where it listens"
            ) from error

    def get(self, path: str) -> Any:
        """Return the body of a GET, or raise ApiError."""
        return self._call("GET", path, None)

    def create(self, path: str, body: dict[str, Any]) -> Any:
        """Return the created object, or raise ApiError."""
        return self._call("POST", path, body)

    def change(self, path: str, body: dict[str, Any]) -> Any:
        """Return the changed object, or raise ApiError."""
        return self._call("PATCH", path, body)

    def each(self, path: str) -> Iterator[Any]:
        """Yield every item of a list, page by page."""
        cursor = None
        while True:
            page = self.get(f"{path}?limit=100" + (f"&cursor={cursor}" if cursor else ""))
            yield from page["items"]
            cursor = page["next_cursor"]
            if not cursor:
                return

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """Call until it is answered. A repeated POST may leave a second merchant or link behind; nobody uses it."""
        deadline = monotonic() + PATIENCE_S
        while True:
            pause_s = _RETRY_PAUSE_S
            try:
                answer = self._pool.request(method, path, json=body, headers=self._headers)
                away = answer.status in (
                    HTTPStatus.BAD_GATEWAY,
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    HTTPStatus.TOO_MANY_REQUESTS,
                )
                if not away:
                    break
                trouble = f"answers {answer.status}"
                if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                    pause_s = float(answer.headers.get("Retry-After", pause_s))
            except urllib3.exceptions.HTTPError as error:
                trouble = f"does not answer ({type(error).__name__})"
            if monotonic() > deadline:
                raise DemoError(f"the admin API on {self._address} {trouble}, for {PATIENCE_S:.0f} s: {method} {path}")
            Event().wait(pause_s)
        content = answer.json() if answer.data else {}
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise ApiError(answer.status, content, f"{method} {path}")
        return content
