"""Reads a postback request: finds its account, authenticates it, checks its rate limit, and parses its fields. It
neither answers nor records anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import time
from typing import Any

from edge.postbacks.accounts import Account, Accounts
from edge.postbacks.authentication import AuthenticationError, authenticate
from edge.postbacks.duplicate_markers import DuplicateMarkers
from edge.postbacks.nonce_store import NonceStore
from edge.postbacks.rate_limits import RateLimits, RateLimitState, sender_of
from tracking.conversions import PostbackReason
from tracking.postbacks import PostbackError, parse_fields, parse_parameters
from tracking.runtime import WaypostError

_STATUS_OF_REASON = {
    PostbackReason.BAD_BODY: 400,
    PostbackReason.BAD_FIELD: 400,
    PostbackReason.AMBIGUOUS_CLICK: 400,
    PostbackReason.BAD_TOKEN: 401,
    PostbackReason.BAD_SIGNATURE: 401,
    PostbackReason.STALE_SIGNATURE: 401,
    PostbackReason.ADDRESS_NOT_ALLOWED: 403,
    PostbackReason.UNKNOWN_CLICK: 404,
    PostbackReason.DUPLICATE: 409,
    PostbackReason.REPLAYED: 409,
    PostbackReason.TOO_LARGE: 413,
    PostbackReason.RATE_LIMITED: 429,
}

# SECURITY: a message may contain names of parameters, and the sender chooses those.
_DETAIL_CHARACTERS_MAX = 1_000
# Errors whose code is a PostbackReason.
_REFUSALS = (PostbackError, AuthenticationError)


@dataclass(frozen=True, slots=True)
class PostbackRequest:
    """One request: the WSGI environment, the beginning of the body, the client's address, and the token if any."""

    env: Mapping[str, Any]
    body: bytes
    address: str
    token: str | None


@dataclass(frozen=True, slots=True)
class ReceivedPostback:
    """A request with all that was found out about it.

    `merchant_id` is the account of its token, even if the request is not `authenticated`. `fields` is None if it could
    not be parsed. `reason` is None if it is accepted.
    """

    rate_limit: RateLimitState
    merchant_id: int | None = None
    authenticated: bool = False
    nonce: str | None = None
    fields: dict[str, Any] | None = None
    reason: PostbackReason | None = None
    detail: str | None = None
    field: str | None = None

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return 200 if self.reason is None else _STATUS_OF_REASON[self.reason]

    @property
    def is_stored(self) -> bool:
        """Whether it is recorded. All are, except for most of those beyond the rate limit."""
        return not self.rate_limit.is_exceeded or self.rate_limit.is_sample

    def refused(self, error: WaypostError) -> ReceivedPostback:
        """Return the same request, refused because of an error."""
        # The code of a FieldError is one of the admin API.
        reason = PostbackReason(error.code) if isinstance(error, _REFUSALS) else PostbackReason.BAD_FIELD
        return replace(self, reason=reason, detail=error.message[:_DETAIL_CHARACTERS_MAX], field=error.field)


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """The click id keys, and the largest body in bytes."""

    keys: Sequence[bytes]
    body_bytes_max: int


class PostbackReader:
    """Reads postbacks with what is known on this host. `now_s` gives Unix seconds."""

    def __init__(
        self,
        accounts: Accounts,
        limits: RateLimits,
        nonces: NonceStore,
        markers: DuplicateMarkers,
        settings: ReaderSettings,
        now_s: Callable[[], float] = time,
    ) -> None:
        self._accounts = accounts
        self._limits = limits
        self._nonces = nonces
        self._markers = markers
        self._settings = settings
        self._now_s = now_s

    def read(self, request: PostbackRequest) -> ReceivedPostback:
        """Return a request with all that was found out about it. It is counted, and marked as received if accepted."""
        account = self._accounts.find(request.token)
        nonce, refusal = self._authenticate(account, request)
        # SECURITY: a request that is not authenticated must not use up the quota of the account that it names.
        is_own = account is not None and refusal is None
        merchant_id = account.merchant_id if account is not None else None
        rate_limit = self._limits.consume(
            sender_of(merchant_id if is_own else None, request.address),
            account.rate_per_minute if account is not None and is_own else None,
        )
        received = ReceivedPostback(rate_limit, merchant_id, is_own and merchant_id is not None, nonce)
        if rate_limit.is_exceeded:
            return replace(
                received,
                reason=PostbackReason.RATE_LIMITED,
                detail=f"more than {rate_limit.quota} postbacks in a minute;"
                f" send this one again in {rate_limit.reset_s} seconds",
            )
        if refusal is not None or account is None:
            assert refusal is not None, "no account is a refusal"
            return received.refused(refusal)
        try:
            fields = self._parse_fields(account, request, nonce)
        except WaypostError as error:
            return received.refused(error)
        return self._check_repetition(account, replace(received, fields=fields))

    def release_nonce(self, received: ReceivedPostback) -> None:
        """Let a signed postback that could not be recorded be sent again under the same id."""
        if received.nonce is not None and received.reason in (None, PostbackReason.DUPLICATE):
            assert received.merchant_id is not None, "what is signed is of an account"
            self._nonces.forget(received.merchant_id, received.nonce)
            self._markers.forget_nonce(received.merchant_id, received.nonce)

    def _authenticate(
        self, account: Account | None, request: PostbackRequest
    ) -> tuple[str | None, WaypostError | None]:
        """Return the nonce of a signed request, or what is wrong with it."""
        if account is None:
            return None, AuthenticationError(
                "this postback token is not known or no longer valid; use the account's present postback URL",
                code=PostbackReason.BAD_TOKEN,
            )
        if len(request.body) > self._settings.body_bytes_max:
            # Only the beginning of the body is here, so the signature cannot be checked.
            limit = self._settings.body_bytes_max
            return None, PostbackError(
                f"the body is over {limit} bytes; send the fields alone", code=PostbackReason.TOO_LARGE
            )
        try:
            return authenticate(account, request.env, request.address, request.body, self._now_s()), None
        except AuthenticationError as error:
            return None, error

    def _parse_fields(self, account: Account, request: PostbackRequest, nonce: str | None) -> dict[str, Any]:
        env = request.env
        parameters = parse_parameters(
            env.get("QUERY_STRING") or "", env.get("CONTENT_TYPE") or "", request.body, is_signed=nonce is not None
        )
        return parse_fields(parameters, self._settings.keys, account.rules)

    def _check_repetition(self, account: Account, received: ReceivedPostback) -> ReceivedPostback:
        """Return a postback as refused if it is known here that it was received before."""
        assert received.fields is not None, "only what was read can be repeated"
        merchant_id, nonce = received.merchant_id, received.nonce
        if merchant_id is not None and nonce is not None:
            is_new = self._nonces.claim(merchant_id, nonce)
            if not is_new or self._markers.check_and_mark_nonce(merchant_id, nonce):
                detail = f"webhook-id {nonce!r} was received before; each report needs one of its own"
                return replace(received, reason=PostbackReason.REPLAYED, detail=detail, field="webhook-id")
        if self._markers.check_and_mark(merchant_id, received.fields, account.repeatable):
            return replace(
                received, reason=PostbackReason.DUPLICATE, detail="this postback was received before; nothing is to do"
            )
        return received
