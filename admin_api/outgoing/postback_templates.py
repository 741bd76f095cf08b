"""The templates from which an outgoing postback can be made, as they come with Waypost."""

from __future__ import annotations

import falcon

from config.postback_templates import postback_templates


class PostbackTemplates:
    """GET: all of them; they come with the release and are not edited here."""

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """List every template with what it needs of the operator's account, and where its facts stand."""
        resp.media = {"items": [template._asdict() for template in postback_templates().values()]}
