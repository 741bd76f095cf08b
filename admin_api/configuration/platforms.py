"""The affiliate platforms that a merchant may be on, for whoever sets one up."""

from __future__ import annotations

import falcon

from admin_api.http import Page, Shown, operation
from tracking.postbacks import PLATFORMS, link_parameter


class Platform(Shown):
    """An affiliate platform that Waypost knows."""

    platform: str
    title: str
    click_parameter: str
    """The parameter of its postbacks that holds the click."""
    link_parameter: str
    """What a destination of this platform carries."""


class PlatformList:
    """All platforms."""

    @operation("List affiliate platforms")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page[Platform]:
        """All of them in one page."""
        return Page[Platform](
            items=[
                Platform(
                    platform=name,
                    title=platform.title,
                    click_parameter=platform.parameter,
                    link_parameter=link_parameter(name),
                )
                for name, platform in PLATFORMS.items()
            ],
            next_cursor=None,
        )
