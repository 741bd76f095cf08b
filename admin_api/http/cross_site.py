"""Refuses requests that another site made a browser send: they would carry the cookie of whoever uses that browser."""

from __future__ import annotations

from urllib.parse import urlsplit

import falcon

from admin_api.http.errors import CrossSiteError

_READING = ("GET", "HEAD", "OPTIONS")
_OURS = ("same-origin", "none")


def refuse_cross_site(req: falcon.Request, *, by_cookie: bool) -> None:
    """Raise CrossSiteError for a request that changes something unless it comes from our own pages.

    Browsers say so in Sec-Fetch-Site; older ones only in Origin. A request with neither comes from no browser. With a
    cookie it is refused all the same, since nothing vouches for it.
    """
    if req.method in _READING:
        return
    site, origin = req.get_header("Sec-Fetch-Site"), req.get_header("Origin")
    if site is not None:
        ours = site in _OURS
    elif origin is not None:
        ours = _host_of(origin) == (req.get_header("Host") or "").lower()
    else:
        ours = not by_cookie
    if not ours:
        raise CrossSiteError("another site made this request; a change with a session must come from Waypost's pages")


def _host_of(origin: str) -> str | None:
    """Return host and port of an origin such as `https://waypost.example`, or None for `null` and whatever is none."""
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") and parts.netloc else None
