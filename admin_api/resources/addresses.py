"""The public addresses shown to the operator: tracking links and merchants' ready-made postback URLs."""

from __future__ import annotations

from typing import NamedTuple

_LOCAL_HOST = "127.0.0.1"


class Addresses(NamedTuple):
    """How public URLs are made. A name of this machine has no proxy: its URL has http and the port of edge or intake.

    Without an intake (port 0), the edge takes postbacks itself.
    """

    public_scheme: str
    edge_port: int
    intake_port: int = 0

    def link_url(self, domain: str | None, slug: str) -> str:
        """Return the URL of a tracking link."""
        return f"{self._origin(domain, self.edge_port)}/click/{slug}"

    def postback_urls(self, domain: str | None, token: str) -> dict[str, str]:
        """Return the URLs that a merchant may report to. The merchant's own macro replaces `{click_id}`.

        Every tracking domain takes every merchant's postbacks. Callers give the domain of the oldest profile, which is
        least likely to go away. While there is no profile, the URLs have an address of this machine.
        """
        origin = self._origin(domain, self.intake_port or self.edge_port)
        return {
            "get": f"{origin}/postback/{token}?click_id={{click_id}}&event=conversion",
            "json": f"{origin}/postback/{token}",
        }

    def _origin(self, domain: str | None, port: int) -> str:
        """Return scheme, host and port of a tracking domain or, without one, of this machine, where `port` answers."""
        if domain is None or domain in ("localhost", _LOCAL_HOST) or domain.endswith(".localhost"):
            return f"http://{domain or _LOCAL_HOST}:{port}"
        return f"{self.public_scheme}://{domain}"
