"""The one HTTP client for requests to partners: one request a connection, no redirects, no proxy of the environment,
and an answer of which only the beginning is read.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

from config.settings import OutgoingSettings
from tracking.clicks import check_url
from tracking.outgoing import AttemptError
from tracking.runtime import FieldError
from worker.outgoing.connection import (
    OutgoingError,
    OutgoingSocket,
    Resolve,
    Target,
    checked_addresses,
    connect,
    resolve,
    secure,
    system_context,
)

BODY_KEPT_BYTES = 2048
HEADERS_KEPT_CHARACTERS = 4096
# The status is known by then, so the beginning of a body that trickles is not worth a slot.
BODY_TIMEOUT_S = 2.0
# What a delivery's lease has for the resolver, besides the largest OUTGOING_TIMEOUT_S.
RESOLVE_MAX_S = 30.0


class Request(NamedTuple):
    """A request to send; `body` is empty for a GET."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What a partner answered, as far as it is kept; `address` is where it was asked."""

    address: str
    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class OutgoingClient:
    """Sends requests. `resolve` and `tls` are the system's but in tests."""

    settings: OutgoingSettings
    resolve: Resolve = resolve
    tls: ssl.SSLContext = field(default_factory=system_context)

    def send(self, request: Request) -> Answer:
        """Return the answer, whatever its status; raises OutgoingError when there is none."""
        target, path = split_url(request.url)
        asked = monotonic()
        addresses = checked_addresses(target, self.settings.allowed_networks, self.resolve)
        began = monotonic()
        # Nobody can interrupt the system's resolver. After as long as this another worker may be at the same delivery.
        if began - asked > RESOLVE_MAX_S:
            raise OutgoingError(AttemptError.TIMED_OUT, f"{target.name} took {began - asked:.0f} s to resolve")
        plain = connect(addresses, target.port, self.settings.connect_timeout_s)
        address = str(plain.getpeername()[0])
        connection: OutgoingSocket = plain
        if target.is_tls:
            left_s = self.settings.connect_timeout_s - (monotonic() - began)
            connection = secure(plain, target.name, self.tls, left_s)
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
    ) -> Answer:
        http = HTTPConnection(target.name, target.port)
        # Given, so that nothing is resolved or connected a second time.
        http.sock = connection
        connection.settimeout(self.settings.timeout_s)
        headers = {"Host": host_header(target), "Connection": "close", **request.headers}
        http.request(request.method, path, request.body or None, headers)
        response = http.getresponse()
        kept = _kept_headers(response)
        connection.deadline = min(connection.deadline, monotonic() + BODY_TIMEOUT_S)
        return Answer(address, response.status, kept, storable(_kept_body(response)))


def split_url(url: str) -> tuple[Target, str]:
    """Return where a URL leads and the path to ask for there. Raises OutgoingError for what may not be called."""
    try:
        checked = check_url(url, "url")
    except FieldError as error:
        raise OutgoingError(AttemptError.BAD_URL, error.message) from error
    split = urlsplit(checked)
    is_tls = split.scheme == "https"
    name = (split.hostname or "").rstrip(".")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return Target(is_tls, name, split.port or (443 if is_tls else 80)), path


def host_header(target: Target) -> str:
    """Return the Host header: the name, in brackets where it is an IPv6 address, and a port that is not the usual."""
    name = f"[{target.name}]" if ":" in target.name else target.name
    return name if target.port == (443 if target.is_tls else 80) else f"{name}:{target.port}"


def storable(body: bytes) -> str:
    """Return bytes as text that PostgreSQL takes."""
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _kept_headers(response: HTTPResponse) -> dict[str, str]:
    kept: dict[str, str] = {}
    left = HEADERS_KEPT_CHARACTERS
    # First, since what is kept of the others must not depend on how many there are.
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
        # The status stands; a body that breaks off or never ends changes nothing about it.
        pass
    return kept
