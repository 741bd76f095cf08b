"""What an operator has set up before a system test begins: profiles, a merchant, and how to add a link that is live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import urllib3

from running_stack import Stack
from waiting import wait_until


@dataclass(frozen=True)
class World:
    """What an operator has set up: a profile of each redirect type, a merchant, and how to add a link that is live."""

    stack: Stack
    profiles: dict[str, Any]
    merchant: Any

    def link(self, redirect_type: str | None = "302", **fields: Any) -> Any:
        """Return a new link once the edge redirects for it; without a redirect type it has no profile."""
        body = {
            "merchant_id": self.merchant["merchant_id"],
            "destination_url": "https://m.example/?c={click_id}",
            "profile_id": self.profiles[redirect_type]["profile_id"] if redirect_type else None,
        }
        link = self.stack.create("/v1/links", body | fields)
        host = self.profiles[redirect_type]["domain"] if redirect_type else "127.0.0.1"
        path = f"/click/{link['slug']}"
        wait_until(lambda: self._answers(path, host), what="the link to be live at the edge")
        return link | {"host": host, "path": path}

    def click(self, link: Any, query: str = "", **headers: str) -> str:
        """Follow a link and return the click id."""
        reply = self.stack.edge(link["path"] + (f"?{query}" if query else ""), link["host"], headers=headers)
        assert "x-waypost-click-id" in reply.headers, reply
        return reply.headers["x-waypost-click-id"]

    def _answers(self, path: str, host: str) -> bool:
        try:
            return self.stack.edge(path, host, "HEAD").status != 404
        except urllib3.exceptions.HTTPError:
            return False
