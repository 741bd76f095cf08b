"""The columns of postbacks. The worker writes them and reads them again for a replay; the admin API shows them."""

from __future__ import annotations

# The request as it arrived.
REQUEST = ("route", "method", "host", "query", "content_type", "body", "ip", "user_agent")
# What the postback claims.
CLAIM = ("click_id", "event", "order_id", "status_sent", "payout_minor", "currency")
# The columns that are written when a postback is first stored.
WRITTEN = (
    *("postback_id", "received_at", "spool_id", "spool_number"),
    *REQUEST,
    *("merchant_id", "authenticated"),
    *CLAIM,
    *("answered", "outcome", "reason", "detail", "corrections", "claimed", "nonce"),
)
# The address without the prefix length that an inet has as text.
READABLE_IP = "host(ip) as ip"
# Whether the fields are a claim. It is null in rows of an older release, which only kept the edge's answer.
IS_CLAIM = "coalesce(claimed, answered in (200, 409))"
SHOWN = ", ".join(
    READABLE_IP if name == "ip" else name
    for name in (
        *("postback_id", "received_at"),
        *REQUEST,
        *("merchant_id", "authenticated"),
        *CLAIM,
        *("answered", "outcome", "reason", "detail", "corrections", "conversion_id", "judged_at", "stored_at"),
    )
)
