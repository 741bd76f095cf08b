"""One attempt at a delivery: composes the request, sends it, and says how it ended. No SQL, no retries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from config.connections import OutgoingError
from config.sealing import unseal
from tracking.outgoing import AttemptError, compile_outgoing, parse_retry_after, render_body, render_url
from tracking.runtime import FieldError, signature_headers
from worker.outgoing.client import OutgoingClient, Request, Response

USER_AGENT = "Waypost"
TEST_HEADER = "waypost-test"
_compiled = lru_cache(maxsize=1000)(compile_outgoing)
# Statuses that say that the partner is overloaded, whatever it thinks of this one request.
_OVERLOADED = frozenset({408, 429})


class ClaimedDelivery(NamedTuple):
    """A delivery to attempt now. `attempt` counts all attempts, `tries` those since the last replay; both from 1."""

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


class AttemptResult(NamedTuple):
    """How an attempt ended. Without an `error` the partner has received it."""

    claimed: ClaimedDelivery
    duration_s: float
    request: Request | None
    answer: Response | None = None
    error: AttemptError | None = None
    detail: str | None = None
    address: str | None = None
    retry_after_s: float | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether the partner answered, and is not overloaded."""
        return self.answer is not None and self.answer.status < 500 and self.answer.status not in _OVERLOADED


def attempt(claimed: ClaimedDelivery, client: OutgoingClient, now_s: float) -> AttemptResult:
    """Make one attempt. Whatever is wrong with the partner or the URL becomes its error."""
    began = monotonic()
    request: Request | None = None
    try:
        request = compose(claimed, client, now_s)
        answer = client.send(request)
    except FieldError as error:
        return AttemptResult(claimed, monotonic() - began, None, error=AttemptError.BAD_URL, detail=error.message)
    except OutgoingError as error:
        kind = AttemptError(error.code)
        return AttemptResult(claimed, monotonic() - began, request, None, kind, error.message, error.address)
    retry_after_s = parse_retry_after(answer.headers.get("Retry-After"), datetime.fromtimestamp(now_s, UTC))
    error_kind, detail = _error_of(answer)
    duration_s = monotonic() - began
    return AttemptResult(claimed, duration_s, request, answer, error_kind, detail, answer.address, retry_after_s)


def compose(claimed: ClaimedDelivery, client: OutgoingClient, now_s: float) -> Request:
    """Return the request of a delivery. Raises FieldError for a URL that may not be called."""
    parts = _compiled(claimed.url, "url", client.settings.allowed_networks)
    delivery_id = str(claimed.delivery_id)
    url = render_url(parts, claimed.facts, delivery_id)
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*", "webhook-id": delivery_id}
    if claimed.is_test:
        headers[TEST_HEADER] = "true"
    if claimed.method == "GET":
        return Request("GET", url, headers, b"")
    body = orjson.dumps(render_body(claimed.facts, is_test=claimed.is_test))
    signed = signature_headers(delivery_id, int(now_s), body, [unseal(each) for each in claimed.secrets])
    return Request("POST", url, {**headers, "Content-Type": "application/json", **signed}, body)


def _error_of(answer: Response) -> tuple[AttemptError | None, str | None]:
    if 200 <= answer.status < 300:
        return None, None
    if answer.status == 410:
        return AttemptError.GONE, "410 Gone: the partner wants no more of these"
    if 300 <= answer.status < 400:
        return AttemptError.REDIRECTED, "redirects are not followed; set the URL to where it leads"
    return AttemptError.STATUS, f"answered {answer.status}"
