"""Which address a visitor came from. SECURITY: X-Forwarded-For is believed only as far as our own proxies wrote it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any


def client_address(env: dict[str, Any], trusted_proxies: int) -> str:
    """Return the client's address: the peer's, or the one that the outermost of our `trusted_proxies` proxies saw.

    Each proxy appends the address it accepted the connection from, so with n of them the n-th entry from the right is
    the visitor; anything further left was sent by the visitor. A missing or malformed entry falls back to the peer's
    address.
    """
    peer: str = env.get("REMOTE_ADDR") or ""
    if trusted_proxies:
        entries = (env.get("HTTP_X_FORWARDED_FOR") or "").split(",")
        if len(entries) >= trusted_proxies:
            entry = entries[-trusted_proxies].strip()
            try:
                address = ip_address(entry)
            except ValueError:
                return peer
            # PostgreSQL knows no zones: `fe80::1%eth0` would be refused there.
            return peer if getattr(address, "scope_id", None) else str(address)
    return peer


def host_name(env: dict[str, Any]) -> str:
    """Return the host a request is for, lower case, without port or trailing dot; empty when it sent none."""
    return normalize_host(env.get("HTTP_HOST") or "")


def normalize_host(host: str) -> str:
    """Return the host of a Host header, lower case, without port or trailing dot."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].rstrip(".").lower()
