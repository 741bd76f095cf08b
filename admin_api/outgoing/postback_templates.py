"""The templates from which an outgoing postback can be made, as they come with Waypost."""

from __future__ import annotations

from typing import Literal

import falcon

from admin_api.http import Page, Shown, operation
from config.postback_templates import postback_templates


class PostbackTemplate(Shown):
    """How one partner accepts conversions."""

    template: str
    """The value of the field `template` of an outgoing postback."""
    name: str
    kind: Literal["traffic-source", "network", "tracker"]
    url: str
    """The URL at which the partner takes conversions. `<name>` is a value of your account, `{name}` is a macro."""
    click_id_macro: str
    """The macro that the partner fills in with its own click id. Put it into your tracking link as `cid`."""
    source: str
    """The source of these facts. Compare them with your account."""
    account_values: list[str]
    """The names of the values of your account that `template_values` must have."""


class PostbackTemplates:
    """All templates. They come with the release and cannot be edited here."""

    @operation("List postback templates")
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> Page[PostbackTemplate]:
        """One page holds all templates."""
        return Page[PostbackTemplate](
            items=[PostbackTemplate.of(template._asdict()) for template in postback_templates().values()],
            next_cursor=None,
        )
