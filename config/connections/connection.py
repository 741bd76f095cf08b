"""A connection to a server of others: its name is resolved once, the address is checked, and that very address is used.
TLS is verified for the name. Nothing waits past the deadline.

SECURITY: if a library resolved the name again after the check, its owner could answer differently (DNS rebinding).
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tracking.clicks import check_url
from tracking.outgoing import (
    RENDERED_CHARACTERS_MAX,
    Address,
    AddressError,
    AttemptError,
    Network,
    check_address,
    parse_host_address,
    parse_resolved_address,
)
from tracking.runtime import FieldError, WaypostError

Resolve = Callable[[str, int], Sequence[str]]

# Of a partner with many addresses all are checked, and the first few are tried.
ADDRESSES_TRIED_MAX = 3


class OutgoingError(WaypostError):
    """An attempt that got no answer. `code` is an AttemptError, `address` the one that was called, if any was."""

    def __init__(self, error: AttemptError, message: str, address: str | None = None) -> None:
        super().__init__(message, code=error.value)
        self.address = address


class Target(NamedTuple):
    """Where a URL leads. `name` is the host as it is verified and sent, without brackets and final dot."""

    is_tls: bool
    name: str
    port: int


class _Deadline:
    """Added to sockets: every wait for bytes ends at `deadline` (monotonic seconds), however slowly they come."""

    deadline = float("inf")

    def recv_into(self, *arguments: Any, **keywords: Any) -> int:
        left_s = self.deadline - monotonic()
        if left_s <= 0:
            raise TimeoutError("the time for this request is over")
        self.settimeout(left_s)  # type: ignore[attr-defined]
        received: int = super().recv_into(*arguments, **keywords)  # type: ignore[misc]
        return received


class PlainSocket(_Deadline, socket.socket):
    """A TCP connection with a deadline."""


class TlsSocket(_Deadline, ssl.SSLSocket):
    """A TLS connection with a deadline."""


OutgoingSocket = PlainSocket | TlsSocket


def split_url(url: str) -> tuple[Target, str]:
    """Return where a URL leads, and the path to ask for. Raises OutgoingError for a URL that may not be called."""
    try:
        checked = check_url(url, "url", RENDERED_CHARACTERS_MAX)
    except FieldError as error:
        raise OutgoingError(AttemptError.BAD_URL, error.message) from error
    split = urlsplit(checked)
    is_tls = split.scheme == "https"
    name = (split.hostname or "").rstrip(".")
    path = (split.path or "/") + (f"?{split.query}" if split.query else "")
    return Target(is_tls, name, split.port or (443 if is_tls else 80)), path


def host_header(target: Target) -> str:
    """Return the Host header: the name, in brackets if it is an IPv6 address, and the port if it is not the default."""
    name = f"[{target.name}]" if ":" in target.name else target.name
    return name if target.port == (443 if target.is_tls else 80) else f"{name}:{target.port}"


def resolve(name: str, port: int) -> list[str]:
    """Return the addresses of a name as the system resolves it."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked_addresses(target: Target, allowed: Sequence[Network], resolve: Resolve) -> list[Address]:
    """Return the addresses of `target`. If one of them is refused, all are: such a mixture is no accident."""
    try:
        literal = parse_host_address(target.name)
        addresses = [literal] if literal is not None else _resolved(target, resolve)
        for address in addresses:
            check_address(address, allowed)
    except AddressError as error:
        raise OutgoingError(AttemptError.ADDRESS_REFUSED, error.message) from error
    return addresses


def connect(addresses: Sequence[Address], port: int, timeout_s: float) -> PlainSocket:
    """Return a connection to the first of some checked addresses that accepts one, within `timeout_s` in all."""
    deadline = monotonic() + timeout_s
    tried = addresses[:ADDRESSES_TRIED_MAX]
    failure: OSError = OSError("no address")
    for place, address in enumerate(tried):
        left_s = deadline - monotonic()
        connection = PlainSocket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            connection.settimeout(max(left_s / (len(tried) - place), 0.001))
            connection.connect((str(address), port))
        except OSError as error:
            connection.close()
            failure = error
            continue
        return connection
    error_kind = AttemptError.TIMED_OUT if isinstance(failure, TimeoutError) else AttemptError.CONNECT_FAILED
    raise OutgoingError(error_kind, f"could not connect: {failure}", str(tried[-1])) from failure


def start_tls(connection: PlainSocket, name: str, context: ssl.SSLContext, timeout_s: float) -> TlsSocket:
    """Return the connection under TLS, its certificate verified for `name`; closes it when that fails."""
    address = str(connection.getpeername()[0])
    try:
        connection.settimeout(max(timeout_s, 0.001))
        secured = context.wrap_socket(connection, server_hostname=name)
        assert isinstance(secured, TlsSocket)
        return secured
    except (OSError, ValueError) as error:
        connection.close()
        kind = AttemptError.TIMED_OUT if isinstance(error, TimeoutError) else AttemptError.TLS_FAILED
        raise OutgoingError(kind, f"TLS: {error}", address) from error


@lru_cache(maxsize=1)
def system_context() -> ssl.SSLContext:
    """Return the TLS settings of all requests: the system's authorities, the name checked, TLS 1.2 or newer."""
    return tls_context(None)


def tls_context(authorities: str | None) -> ssl.SSLContext:
    """Return TLS settings that trust a file of authorities, or the system's."""
    context = ssl.create_default_context(cafile=authorities)
    context.sslsocket_class = TlsSocket
    return context


def _resolved(target: Target, resolve: Resolve) -> list[Address]:
    try:
        texts = resolve(target.name, target.port)
    except (OSError, UnicodeError) as error:
        raise OutgoingError(AttemptError.NAME_NOT_RESOLVED, f"{target.name} was not resolved: {error}") from error
    if not texts:
        raise OutgoingError(AttemptError.NAME_NOT_RESOLVED, f"{target.name} has no address")
    return [parse_resolved_address(text) for text in texts]
