"""The visitor's address and the host of a request. SECURITY: of X-Forwarded-For, only entries of our proxies count."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any


def client_address(env: dict[str, Any], trusted_proxies: int) -> str:
    """Return the visitor's address: the peer's, or the one that the outermost of our `trusted_proxies` proxies saw.

    Each proxy appends the address from which it accepted the connection. With n proxies, the visitor is the n-th entry
    from the right; whatever is further left was sent by the visitor. If that entry is missing or malformed, this is the
    peer's address.
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
            # PostgreSQL has no type for an address with a zone, such as `fe80::1%eth0`.
            return peer if getattr(address, "scope_id", None) else str(address)
    return peer


def host_name(env: dict[str, Any]) -> str:
    """Return the host of a request in lower case, without port or trailing dot; empty if the request has none."""
    return normalize_host(env.get("HTTP_HOST") or "")


def normalize_host(host: str) -> str:
    """Return a Host header's host in lower case, without port or trailing dot."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].rstrip(".").lower()
