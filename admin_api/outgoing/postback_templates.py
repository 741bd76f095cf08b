"""The templates from which an outgoing postback can be made, as they come with Waypost."""

from __future__ import annotations

from typing import Literal

import falcon

from admin_api.http import Page, Shown, operation
from config.postback_templates import postback_templates


class PostbackTemplate(Shown):
    """How one partner takes conversions."""

    template: str
    """What an outgoing postback names in its field `template`."""
    name: str
    kind: Literal["traffic-source", "network", "tracker"]
    url: str
    """Where the partner takes conversions. A value of your account stands as `<name>`, a macro as `{name}`."""
    click_id_macro: str
    """What the partner fills in for its own click id. Put it into your tracking link as `cid`."""
    source: str
    """Where these facts were found; compare them with your account."""
    account_values: list[str]
    """The names of the values of your account, which `template_values` must have."""


class PostbackTemplates:
    """All templates. They come with the release and are not edited here."""

    @operation("List postback templates")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page[PostbackTemplate]:
        """All of them in one page."""
        return Page[PostbackTemplate](
            items=[PostbackTemplate.of(template._asdict()) for template in postback_templates().values()],
            next_cursor=None,
        )
