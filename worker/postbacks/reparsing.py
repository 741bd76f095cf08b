"""Parses a stored postback again with the present mapping of its account, as if it had come now.

A postback that was refused because of who sent it stays refused: the sender cannot be checked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from tracking.conversions import ConversionStatus, PostbackOutcome, PostbackReason
from tracking.postbacks import AccountRules, PostbackError, account_rules, parse_fields, parse_parameters
from tracking.runtime import FieldError
from worker.conversions import Claim
from worker.postbacks.rows import Origin, claim_of, storable_corrections
from worker.runtime import Connection, PoisonError

# These postbacks were refused because of their sender, stored only in part, or are to be sent again. Parsing them again
# cannot help.
FINAL_REASONS = frozenset(
    {
        PostbackReason.BAD_TOKEN,
        PostbackReason.BAD_SIGNATURE,
        PostbackReason.STALE_SIGNATURE,
        PostbackReason.REPLAYED,
        PostbackReason.ADDRESS_NOT_ALLOWED,
        PostbackReason.TOO_LARGE,
        PostbackReason.RATE_LIMITED,
    }
)
SETTLED = frozenset({PostbackOutcome.RECORDED, PostbackOutcome.TRANSITION, PostbackOutcome.DUPLICATE})
_MAPPING = ("parameter_names", "event_words", "status_words", "default_event", "decimal_separator")
_ACCOUNTS = f"select merchant_id, currency, {', '.join(_MAPPING)} from merchants where merchant_id = any(%s)"  # noqa: S608
_EVENTS = "select event from event_types where active"


class StoredPostback(NamedTuple):
    """A postback as it is stored. `claimed` means that its fields are a claim, decided or waiting for its click.

    `erased` says that its request is gone, with what identified a visitor.
    """

    postback_id: UUID
    received_at: datetime
    method: str
    route: str
    host: str
    query: str
    content_type: str
    body: str
    ip: str | None
    user_agent: str
    nonce: str | None
    merchant_id: int | None
    authenticated: bool
    click_id: UUID | None
    event: str | None
    order_id: str | None
    status_sent: str | None
    payout_minor: int | None
    currency: str | None
    outcome: str
    reason: str | None
    conversion_id: UUID | None
    claimed: bool
    corrections: list[dict[str, str | None]]
    erased: bool

    @property
    def origin(self) -> Origin:
        """The postback and the account for which a claim is made."""
        return Origin(self.postback_id, self.received_at, self.merchant_id, self.authenticated)

    @property
    def claim(self) -> Claim | None:
        """The claim that its fields make; None if it was refused before a claim was decided."""
        if not self.claimed or self.click_id is None or self.event is None:
            return None
        return Claim(
            self.postback_id,
            self.received_at,
            self.click_id,
            self.event,
            self.order_id,
            None if self.status_sent is None else ConversionStatus(self.status_sent),
            self.payout_minor,
            self.currency,
            self.merchant_id,
            self.authenticated,
        )


class Reparsed(NamedTuple):
    """The result of parsing a postback: a claim with its corrections, or the reason why there is no claim."""

    claim: Claim | None
    corrections: Sequence[Mapping[str, str | None]] = ()
    reason: str | None = None
    detail: str | None = None


def load_rules(connection: Connection, merchant_ids: Iterable[int | None]) -> dict[int | None, AccountRules]:
    """Return the present rules of some accounts, and under None the rules for postbacks without an account."""
    events = frozenset(row[0] for row in connection.execute(_EVENTS))
    rules: dict[int | None, AccountRules] = {None: AccountRules(events=events)}
    wanted = sorted({merchant_id for merchant_id in merchant_ids if merchant_id is not None})
    for merchant_id, currency, *mapping in connection.execute(_ACCOUNTS, [wanted]) if wanted else ():
        of_account: dict[str, Any] = dict(zip(_MAPPING, mapping, strict=True))
        rules[merchant_id] = account_rules(merchant_id, currency, of_account, events)
    return rules


def reparse(stored: StoredPostback, rules: AccountRules, keys: Sequence[bytes]) -> Reparsed:
    """Parse a stored postback by an account's rules. Pure."""
    # The query is stored as readable text, but the edge parses its bytes, one character for each.
    query = stored.query.encode().decode("latin-1")
    try:
        parameters = parse_parameters(
            query, stored.content_type, stored.body.encode(), is_signed=stored.nonce is not None
        )
        fields = parse_fields(parameters, keys, rules)
        return Reparsed(claim_of(fields, stored.origin, keys), storable_corrections(fields.get("corrections")))
    except PostbackError as error:
        return Reparsed(None, reason=str(error.code), detail=error.message)
    except (FieldError, PoisonError) as error:
        return Reparsed(None, reason=PostbackReason.BAD_FIELD.value, detail=error.message)
