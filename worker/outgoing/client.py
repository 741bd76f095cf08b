"""The HTTP client for requests to partners. It makes one connection for each request, follows no redirects, uses no
proxy from the environment, and reads only the beginning of an answer.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import monotonic
from typing import NamedTuple

from config.connections import (
    OutgoingError,
    OutgoingSocket,
    Resolve,
    Target,
    checked_addresses,
    connect,
    host_header,
    resolve,
    split_url,
    start_tls,
    system_context,
)
from config.settings import OutgoingSettings
from tracking.outgoing import AttemptError

BODY_KEPT_BYTES = 2048
HEADERS_KEPT_CHARACTERS = 4096
# The status is known by then. Waiting longer for the beginning of a slow body is not worth a slot.
BODY_TIMEOUT_S = 2.0
# The part of a delivery's lease that is for the resolver; the rest is for the largest OUTGOING_TIMEOUT_S.
RESOLVE_MAX_S = 30.0


class Request(NamedTuple):
    """A request to send; `body` is empty for a GET."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Response(NamedTuple):
    """What a partner answered, as far as it is kept. `address` is the address that was called."""

    address: str
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class OutgoingClient:
    """Sends requests. Outside of tests, `resolve` and `tls` are the system's."""

    settings: OutgoingSettings
    resolve: Resolve = resolve
    tls: ssl.SSLContext = field(default_factory=system_context)

    def send(self, request: Request) -> Response:
        """Return the answer, whatever its status. Raises OutgoingError if there is none."""
        target, path = split_url(request.url)
        asked = monotonic()
        addresses = checked_addresses(target, self.settings.allowed_networks, self.resolve)
        began = monotonic()
        # The system's resolver cannot be interrupted. By now another worker may have the same delivery.
        if began - asked > RESOLVE_MAX_S:
            raise OutgoingError(AttemptError.TIMED_OUT, f"{target.name} took {began - asked:.0f} s to resolve")
        plain = connect(addresses, target.port, self.settings.connect_timeout_s)
        address = str(plain.getpeername()[0])
        connection: OutgoingSocket = plain
        if target.is_tls:
            left_s = self.settings.connect_timeout_s - (monotonic() - began)
            connection = start_tls(plain, target.name, self.tls, left_s)
        connection.deadline = began + self.settings.timeout_s
        with connection:
            try:
                return self._exchange(connection, target, path, request, address)
            except TimeoutError as error:
                raise OutgoingError(AttemptError.TIMED_OUT, "no answer in time", address) from error
            except OSError as error:
                raise OutgoingError(AttemptError.CONNECTION_LOST, f"{error}", address) from error
            except (HTTPException, ValueError) as error:
                detail = f"not an HTTP answer: {type(error).__name__} {error}"[:300]
                raise OutgoingError(AttemptError.BAD_RESPONSE, detail, address) from error

    def _exchange(
        self, connection: OutgoingSocket, target: Target, path: str, request: Request, address: str
    ) -> Response:
        http = HTTPConnection(target.name, target.port)
        # Set here, so that nothing is resolved or connected a second time.
        http.sock = connection
        connection.settimeout(self.settings.timeout_s)
        headers = {"Host": host_header(target), "Connection": "close", **request.headers}
        http.request(request.method, path, request.body or None, headers)
        response = http.getresponse()
        kept = _kept_headers(response)
        connection.deadline = min(connection.deadline, monotonic() + BODY_TIMEOUT_S)
        return Response(address, response.status, kept, storable(_kept_body(response)))


def storable(body: bytes) -> str:
    """Return bytes as text that PostgreSQL takes."""
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _kept_headers(response: HTTPResponse) -> dict[str, str]:
    kept: dict[str, str] = {}
    left = HEADERS_KEPT_CHARACTERS
    # First, so that it is kept however many others there are.
    retry_after = response.getheader("Retry-After")
    if retry_after is not None:
        kept["Retry-After"] = storable(retry_after[:100].encode("latin-1", "replace"))
    for name, value in response.getheaders():
        left -= len(name) + len(value)
        if left < 0:
            break
        kept.setdefault(name.replace("\x00", ""), storable(value.encode("latin-1", "replace")))
    return kept


def _kept_body(response: HTTPResponse) -> bytes:
    kept = b""
    try:
        while len(kept) < BODY_KEPT_BYTES and (part := response.read1(BODY_KEPT_BYTES - len(kept))):
            kept += part
    except (OSError, HTTPException, ValueError):
        # The status counts, even if the body breaks off or never ends.
        pass
    return kept
