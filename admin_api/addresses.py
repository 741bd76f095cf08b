"""The public addresses shown to the operator: tracking links and merchants' ready-made postback URLs."""

from __future__ import annotations

from typing import NamedTuple

_LOCAL_HOST = "127.0.0.1"


class Addresses(NamedTuple):
    """How public URLs are made. A name of this machine has no proxy before it: http, with the edge's own port."""

    public_scheme: str
    edge_port: int

    def origin(self, domain: str | None) -> str:
        """Return scheme, host and port under which the edge answers for a tracking domain, or for none."""
        if domain is None or domain in ("localhost", _LOCAL_HOST) or domain.endswith(".localhost"):
            return f"http://{domain or _LOCAL_HOST}:{self.edge_port}"
        return f"{self.public_scheme}://{domain}"

    def link_url(self, domain: str | None, slug: str) -> str:
        """Return the URL of a tracking link."""
        return f"{self.origin(domain)}/click/{slug}"

    def postback_urls(self, domain: str | None, token: str) -> dict[str, str]:
        """Return the URLs a merchant may report to; `{click_id}` stands where the merchant's own macro goes.

        Every tracking domain takes every merchant's postbacks. The callers give the oldest profile's, as the one least
        likely to go away; while there is none, the edge's own address is shown.
        """
        origin = self.origin(domain)
        return {
            "get": f"{origin}/postback/{token}?click_id={{click_id}}&event=conversion",
            "json": f"{origin}/postback/{token}",
        }
