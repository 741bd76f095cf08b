"""Where a request comes from. SECURITY: of X-Forwarded-For, only entries of our own proxies count."""

from __future__ import annotations

from ipaddress import ip_address

import falcon


def client_address(req: falcon.Request, trusted_proxies: int) -> str:
    """Return the client's address: the peer's, or what the outermost of `trusted_proxies` proxies saw.

    An entry that is missing or malformed is not believed; then it is the peer's.
    """
    peer = str(req.remote_addr)
    entries = (req.get_header("X-Forwarded-For") or "").split(",")
    if not trusted_proxies or len(entries) < trusted_proxies:
        return peer
    try:
        address = ip_address(entries[-trusted_proxies].strip())
    except ValueError:
        return peer
    return peer if getattr(address, "scope_id", None) else str(address)
