"""Error bodies of the edge: RFC 9457 problem+json with a stable code."""

from __future__ import annotations

import falcon
import orjson
from falcon.util import code_to_http_status


def set_problem(resp: falcon.Response, status: int, code: str, detail: str, field: str | None = None) -> None:
    """Make `resp` a problem. `code` is from the closed lists in docs/clicks.md and docs/postbacks.md."""
    status_line = code_to_http_status(status)
    resp.status = status_line
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status_line[4:],
        "status": status,
        "code": code,
        "detail": detail,
    }
    if field is not None:
        body["field"] = field
    resp.content_type = "application/problem+json"
    resp.data = orjson.dumps(body)
    resp.set_header("Cache-Control", "no-store")


def serialize_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError) -> None:
    """Write an error that Falcon itself raises (no such route, method not allowed) in the same form as ours."""
    status = error.status_code
    title = error.title.partition(" ")[2] or error.title
    set_problem(resp, status, title.lower().replace(" ", "-"), error.description or f"{title}: {req.method} {req.path}")
