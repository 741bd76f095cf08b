"""One attempt at a delivery: what is sent, sending it, and what came of it. No SQL, no retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from tracking.outgoing import AttemptError, compile_outgoing, parse_retry_after, render_body, render_url
from tracking.runtime import FieldError, signature_headers
from worker.outgoing.client import Answer, OutgoingClient, Request
from worker.outgoing.connection import OutgoingError

USER_AGENT = "Waypost"
TEST_HEADER = "waypost-test"
_compiled = lru_cache(maxsize=1000)(compile_outgoing)
# Answers that say the partner is not well, whatever it thinks of this one request.
_OVERLOADED = frozenset({408, 429})


class Claimed(NamedTuple):
    """A delivery to attempt now. `attempt` counts all of its attempts, `tries` those of this round, both from 1."""

    delivery_id: UUID
    attempt: int
    tries: int
    facts: Mapping[str, Any]
    is_test: bool
    outgoing_postback_id: int
    origin: str
    method: str
    url: str
    secrets: Sequence[str]


class Attempted(NamedTuple):
    """How an attempt ended. Without `error` the partner has it."""

    claimed: Claimed
    duration_s: float
    request: Request | None
    answer: Answer | None = None
    error: AttemptError | None = None
    detail: str | None = None
    address: str | None = None
    retry_after_s: float | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether the partner answered, and as one that is not overloaded."""
        return self.answer is not None and self.answer.status < 500 and self.answer.status not in _OVERLOADED


def attempt(claimed: Claimed, client: OutgoingClient, now_s: float) -> Attempted:
    """Make one attempt. Never raises for what the partner or the URL does."""
    began = monotonic()
    request: Request | None = None
    try:
        request = compose(claimed, client, now_s)
        answer = client.send(request)
    except FieldError as error:
        return Attempted(claimed, monotonic() - began, None, error=AttemptError.BAD_URL, detail=error.message)
    except OutgoingError as error:
        kind = AttemptError(error.code)
        return Attempted(claimed, monotonic() - began, request, None, kind, error.message, error.address)
    retry_after_s = parse_retry_after(answer.headers.get("Retry-After"), datetime.fromtimestamp(now_s, UTC))
    error_kind, detail = _judge(answer)
    duration_s = monotonic() - began
    return Attempted(claimed, duration_s, request, answer, error_kind, detail, answer.address, retry_after_s)


def compose(claimed: Claimed, client: OutgoingClient, now_s: float) -> Request:
    """Return the request of a delivery; raises FieldError for a URL that may not be called."""
    parts = _compiled(claimed.url, "url", client.settings.allowed_networks)
    delivery_id = str(claimed.delivery_id)
    url = render_url(parts, claimed.facts, delivery_id)
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "webhook-id": delivery_id}
    if claimed.is_test:
        headers[TEST_HEADER] = "true"
    if claimed.method == "GET":
        return Request("GET", url, headers, b"")
    body = orjson.dumps(render_body(claimed.facts, is_test=claimed.is_test))
    signed = signature_headers(delivery_id, int(now_s), body, claimed.secrets)
    return Request("POST", url, {**headers, "Content-Type": "application/json", **signed}, body)


def _judge(answer: Answer) -> tuple[AttemptError | None, str | None]:
    if 200 <= answer.status < 300:
        return None, None
    if answer.status == 410:
        return AttemptError.GONE, "410 Gone: the partner wants no more of these"
    if 300 <= answer.status < 400:
        return AttemptError.REDIRECTED, "redirects are not followed; set the URL to where it leads"
    return AttemptError.STATUS, f"answered {answer.status}"
