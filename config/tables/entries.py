"""The columns of entries, the ledger. Bookkeeping and the admin API both append to it; the admin API shows it."""

from __future__ import annotations

# The columns that bookkeeping writes.
BOOKED = (
    *("party", "kind", "conversion_id", "merchant_id", "source_id", "amount_minor", "currency"),
    *("original_minor", "original_currency", "rate", "rate_date"),
    *("plan_id", "change_id", "payout_schedule", "payable_at", "payout_id"),
)
# A rate is read as text, since a float would round it.
SHOWN = ", ".join(
    "rate::text as rate" if name == "rate" else name
    for name in ("entry_id", *BOOKED, "rate_age_days", "actor", "note", "locked", "created_at")
)
