"""The parameter names and words that postbacks may use. Those that an account sets itself take precedence.

If a name or word is of one tracker, tests/unit/postbacks/test_tracker_urls.py says whose documentation has it.
"""

from __future__ import annotations

from collections.abc import Mapping

from tracking.conversions import ConversionStatus, Event

# Names accepted for each field, in order of precedence.
PARAMETER_NAMES: dict[str, tuple[str, ...]] = {
    "click_id": ("click_id", "clickid", "clickId", "cid", "cnv_id", "subid", "aff_sub", "dyn", "transaction_id"),
    "event": ("event", "goal", "et", "type", "action"),
    "payout": ("payout", "amount", "sum", "revenue"),
    "currency": ("currency", "cnv_currency"),
    "order_id": ("order_id", "order", "txid", "tid", "orderid", "action_id", "rdtk_event_id"),
    "status": ("status", "cnv_status"),
}
# Parameters that are set to 1 if their event happened.
EVENT_FLAGS: dict[str, Event] = {
    "signups": Event.REGISTRATION,
    "ftd": Event.FTD,
    "deposits": Event.DEPOSIT,
    "qualified": Event.QUALIFIED,
}
EVENT_WORDS: dict[str, str] = {event.value: event.value for event in Event} | {
    "reg": Event.REGISTRATION.value,
    "signup": Event.REGISTRATION.value,
    "lead": Event.REGISTRATION.value,
    "first_deposit": Event.FTD.value,
    "revshare": Event.REVENUE_SHARE.value,
    "sale": Event.CONVERSION.value,
    "purchase": Event.CONVERSION.value,
}
STATUS_WORDS: dict[str, ConversionStatus] = {status.value: status for status in ConversionStatus} | {
    "lead": ConversionStatus.PENDING,
    "hold": ConversionStatus.PENDING,
    "sale": ConversionStatus.APPROVED,
    "rebill": ConversionStatus.APPROVED,
    "declined": ConversionStatus.REJECTED,
    "scrubbed": ConversionStatus.REJECTED,
    "chargeback": ConversionStatus.REVERSED,
    "1": ConversionStatus.APPROVED,
    "2": ConversionStatus.PENDING,
    "3": ConversionStatus.REJECTED,
    "5": ConversionStatus.PENDING,
}
# Status words that also tell the event of a postback that names none: a conversion is first a lead and then a sale, and
# each rebill is one more deposit.
EVENT_OF_STATUS_WORD: dict[str, str] = {
    "lead": Event.CONVERSION.value,
    "sale": Event.CONVERSION.value,
    "rebill": Event.DEPOSIT.value,
}


def with_own_names(own: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Return the accepted names of each field, the account's own first. A name of its own is not used for other
    fields.
    """
    taken = {name for names in own.values() for name in names}
    return {
        field: (*own.get(field, ()), *(name for name in names if name not in taken))
        for field, names in PARAMETER_NAMES.items()
    }
