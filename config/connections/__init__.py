"""Connections to servers of others, to public addresses only: for outgoing postbacks and for tests of links."""

from __future__ import annotations

from config.connections.connection import (
    OutgoingError,
    OutgoingSocket,
    PlainSocket,
    Resolve,
    Target,
    checked_addresses,
    connect,
    host_header,
    resolve,
    split_url,
    start_tls,
    system_context,
    tls_context,
)

__all__ = [
    "OutgoingError",
    "OutgoingSocket",
    "PlainSocket",
    "Resolve",
    "Target",
    "checked_addresses",
    "connect",
    "host_header",
    "resolve",
    "split_url",
    "start_tls",
    "system_context",
    "tls_context",
]
