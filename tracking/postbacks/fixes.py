"""What to do about a postback that was refused or corrected: a sentence or two for every reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracking.conversions import PostbackReason

FIXES: Mapping[str, str] = MappingProxyType(
    {
        PostbackReason.BAD_BODY: (
            "Ask the merchant to send the body as its Content-Type says: a form, or one JSON object; `detail` says"
            " where reading ended."
        ),
        PostbackReason.BAD_FIELD: (
            "Ask the merchant to send the field that `detail` names as docs/postbacks.md has it, or map its name or"
            " words in the account; then replay the postback."
        ),
        PostbackReason.BAD_TOKEN: (
            "Give the merchant the account's present postback URL: POST /v1/merchants/{merchant_id}/tokens makes a new"
            " token, and the newest two work."
        ),
        PostbackReason.UNKNOWN_CLICK: (
            "Compare the click id that was sent with one of yours: the merchant must hand back the value of {click_id}"
            " unchanged, in the parameter that its destination URL carries it in."
        ),
        PostbackReason.DUPLICATE: (
            "Nothing, if the merchant repeated itself. If it is a new conversion, it needs an order id of its own."
        ),
        PostbackReason.ORDER_OF_ANOTHER_CLICK: (
            "Ask the merchant which click the order belongs to: the account reported it for another one before."
        ),
        PostbackReason.ILLEGAL_TRANSITION: (
            "Nothing, if the conversion's present status is right; else change the conversion by the API, or ask the"
            " merchant to report the sale anew under another order id."
        ),
        PostbackReason.CLICK_OF_ANOTHER_MERCHANT: (
            "See whether the merchant uses another account's postback URL, or the link names the wrong merchant;"
            " correct that, then replay the postback."
        ),
        PostbackReason.CLICK_NOT_STORED_YET: (
            "Wait: it is matched as soon as its click is stored. If it stays parked, look at /v1/ledger for clicks in"
            " flight or declared lost."
        ),
        PostbackReason.CLICK_DROPPED: (
            "Nothing: the click was dropped by retention, and no conversion of it is there. Raise"
            " RETENTION_CLICKS_DAYS if merchants report later than clicks are kept."
        ),
        PostbackReason.CLICK_EXPIRED: (
            "Raise click_expiry_days of the profile if so old a click should count, then replay the postback."
        ),
        PostbackReason.MANUAL_REVIEW: (
            "Approve or reject the conversion: its event type is approved by hand, whatever the merchant says."
        ),
        PostbackReason.UNKNOWN_EVENT: (
            "Create the event type again at /v1/event-types, or map the merchant's word to an existing one; then replay"
            " the postback."
        ),
        PostbackReason.REPLACED: (
            "Nothing: a replay read the postback again, and another conversion counts for it now."
        ),
        PostbackReason.OPERATOR_DECISION: (
            "Nothing, if the operator's decision stands; the conversion's changes say who took it, and their note why."
        ),
        PostbackReason.UNAUTHENTICATED: (
            "Have the merchant report with its token, or decide about the conversion by hand."
        ),
        PostbackReason.TOKEN_REQUIRED: (
            "Have the merchant report with its token; the account asks for one by its postback_auth."
        ),
        PostbackReason.TOO_LARGE: (
            "Ask the merchant for a smaller body, or raise POSTBACK_BODY_BYTES; only the beginning of this one was"
            " kept."
        ),
        PostbackReason.AMBIGUOUS_CLICK: (
            "Ask the merchant to send one click id, or name its parameter in the account's parameter_names, so that"
            " other parameters are not read; then replay the postback."
        ),
        PostbackReason.BAD_SIGNATURE: (
            "Compare what the merchant signs with docs/postbacks.md and give it the account's secret: POST"
            " /v1/merchants/{merchant_id}/secrets makes a new one, and the newest two work."
        ),
        PostbackReason.STALE_SIGNATURE: (
            "Ask the merchant to set its clock and to sign each attempt anew; a signature is good for 300 seconds."
        ),
        PostbackReason.REPLAYED: (
            "Nothing, if the merchant repeated itself. A new report needs a webhook-id of its own."
        ),
        PostbackReason.ADDRESS_NOT_ALLOWED: (
            "Add the address to the account's postback_addresses if it is the merchant's, and see that TRUSTED_PROXIES"
            " is right."
        ),
        PostbackReason.RATE_LIMITED: (
            "Raise the account's postback_rate_per_minute, or ask the merchant to heed Retry-After and send again."
        ),
    }
)


def fix_of(reason: str | None) -> str | None:
    """Return what to do about a postback with this reason, None if there is nothing to do."""
    return None if reason is None else FIXES.get(reason)
