"""The affiliate platforms that a merchant may be on, for whoever sets one up."""

from __future__ import annotations

import falcon

from tracking.postbacks import PLATFORMS, link_parameter


class PlatformList:
    """GET /v1/platforms: all of them, with what a destination of theirs carries."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List the platforms."""
        resp.media = {
            "items": [
                {
                    "platform": name,
                    "title": platform.title,
                    "click_parameter": platform.parameter,
                    "link_parameter": link_parameter(name),
                }
                for name, platform in PLATFORMS.items()
            ],
            "next_cursor": None,
        }
