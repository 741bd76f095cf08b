"""The affiliate platforms that a merchant may be on, for the operator who sets up a merchant."""

from __future__ import annotations

import falcon

from admin_api.http import Page, Shown, operation
from tracking.postbacks import PLATFORMS, link_parameter


class Platform(Shown):
    """An affiliate platform that Waypost knows."""

    platform: str
    title: str
    click_parameter: str
    """The parameter of its postbacks that holds the click id."""
    link_parameter: str
    """The query parameter that a destination URL of this platform carries, with its macro."""


class PlatformList:
    """All platforms."""

    @operation("List affiliate platforms")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page[Platform]:
        """One page holds all platforms."""
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
