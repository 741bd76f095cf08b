"""What a postback request turns out to be: whose it is, whether it is theirs, and what it says. Answers and stores
nothing.
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

# SECURITY: a message may name parameters, whose names the sender chose.
_DETAIL_CHARACTERS_MAX = 1_000
# Errors whose code is a PostbackReason.
_REFUSALS = (PostbackError, AuthenticationError)


@dataclass(frozen=True, slots=True)
class PostbackRequest:
    """One request: WSGI's environment, the body's beginning, the client's address, and the token, if it has one."""

    env: Mapping[str, Any]
    body: bytes
    address: str
    token: str | None


@dataclass(frozen=True, slots=True)
class ReceivedPostback:
    """What one request turned out to be. `merchant_id` is the account that its token names, whether or not it is shown
    to be `authenticated`; `fields` are null where it could not be read, `reason` where it is recorded.
    """

    share: RateLimitState
    merchant_id: int | None = None
    authenticated: bool = False
    nonce: str | None = None
    fields: dict[str, Any] | None = None
    reason: PostbackReason | None = None
    detail: str | None = None
    field: str | None = None

    @property
    def status(self) -> int:
        """The HTTP status this reading is answered with."""
        return 200 if self.reason is None else _STATUS_OF_REASON[self.reason]

    @property
    def is_stored(self) -> bool:
        """Whether it is to be stored: all are, but for most of a flood."""
        return not self.share.is_exceeded or self.share.is_sample

    def refused(self, error: WaypostError) -> ReceivedPostback:
        """Return the same request, refused for an error."""
        # A FieldError's own code is that of the admin API.
        reason = PostbackReason(error.code) if isinstance(error, _REFUSALS) else PostbackReason.BAD_FIELD
        return replace(self, reason=reason, detail=error.message[:_DETAIL_CHARACTERS_MAX], field=error.field)


@dataclass(frozen=True, slots=True)
class ReaderSettings:
    """The click id keys, and the largest body in bytes."""

    keys: Sequence[bytes]
    body_bytes_max: int


class PostbackReader:
    """Reads postbacks by what this process and this host can know. `now_s` gives Unix seconds."""

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

    def read(self, sent: PostbackRequest) -> ReceivedPostback:
        """Return what a request is. Counts it, and notes what it says as received unless it is refused."""
        account = self._accounts.find(sent.token)
        nonce, refusal = self._authenticate(account, sent)
        # SECURITY: whoever only claims to be an account must not use up what it may send.
        is_own = account is not None and refusal is None
        merchant_id = account.merchant_id if account is not None else None
        share = self._limits.consume(
            sender_of(merchant_id if is_own else None, sent.address),
            account.rate_per_minute if account is not None and is_own else None,
        )
        reading = ReceivedPostback(share, merchant_id, is_own and merchant_id is not None, nonce)
        if share.is_exceeded:
            return replace(
                reading,
                reason=PostbackReason.RATE_LIMITED,
                detail=f"more than {share.quota} postbacks in a minute; send this one again in {share.reset_s} seconds",
            )
        if refusal is not None or account is None:
            assert refusal is not None, "no account is a refusal"
            return reading.refused(refusal)
        try:
            fields = self._parse_fields(account, sent, nonce)
        except WaypostError as error:
            return reading.refused(error)
        return self._check_repetition(account, replace(reading, fields=fields))

    def release_nonce(self, reading: ReceivedPostback) -> None:
        """Let a signed postback that could not be stored come again under its id."""
        if reading.nonce is not None and reading.reason in (None, PostbackReason.DUPLICATE):
            assert reading.merchant_id is not None, "what is signed is of an account"
            self._nonces.forget(reading.merchant_id, reading.nonce)
            self._markers.forget_nonce(reading.merchant_id, reading.nonce)

    def _authenticate(self, account: Account | None, sent: PostbackRequest) -> tuple[str | None, WaypostError | None]:
        """Return the nonce of a signed request, or what is wrong with it."""
        if account is None:
            return None, AuthenticationError(
                "this postback token is not known or no longer valid; use the account's present postback URL",
                code=PostbackReason.BAD_TOKEN,
            )
        if len(sent.body) > self._settings.body_bytes_max:
            # Only its beginning is here, so nothing can be said of its signature.
            limit = self._settings.body_bytes_max
            return None, PostbackError(
                f"the body is over {limit} bytes; send the fields alone", code=PostbackReason.TOO_LARGE
            )
        try:
            return authenticate(account, sent.env, sent.address, sent.body, self._now_s()), None
        except AuthenticationError as error:
            return None, error

    def _parse_fields(self, account: Account, sent: PostbackRequest, nonce: str | None) -> dict[str, Any]:
        env = sent.env
        parameters = parse_parameters(
            env.get("QUERY_STRING") or "", env.get("CONTENT_TYPE") or "", sent.body, is_signed=nonce is not None
        )
        return parse_fields(parameters, self._settings.keys, account.rules)

    def _check_repetition(self, account: Account, reading: ReceivedPostback) -> ReceivedPostback:
        """Return a readable postback as refused where it came before, as far as can be said here."""
        assert reading.fields is not None, "only what was read can be repeated"
        merchant_id, nonce = reading.merchant_id, reading.nonce
        if merchant_id is not None and nonce is not None:
            is_new = self._nonces.claim(merchant_id, nonce)
            if not is_new or self._markers.check_and_mark_nonce(merchant_id, nonce):
                detail = f"webhook-id {nonce!r} was received before; each report needs one of its own"
                return replace(reading, reason=PostbackReason.REPLAYED, detail=detail, field="webhook-id")
        if self._markers.check_and_mark(merchant_id, reading.fields, account.repeatable):
            return replace(
                reading, reason=PostbackReason.DUPLICATE, detail="this postback was received before; nothing is to do"
            )
        return reading
