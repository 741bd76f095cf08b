"""The columns of postbacks. The worker writes them, and reads them again to replay; the admin API shows them."""

from __future__ import annotations

# The request as it arrived.
REQUEST = ("route", "method", "host", "query", "content_type", "body", "ip", "user_agent")
# What it claims.
CLAIM = ("click_id", "event", "order_id", "status_sent", "payout_minor", "currency")
# When it is first stored.
WRITTEN = (
    *("postback_id", "received_at", "spool_id", "spool_number"),
    *REQUEST,
    *("merchant_id", "authenticated"),
    *CLAIM,
    *("answered", "outcome", "reason", "detail", "corrections", "claimed", "nonce"),
)
# An address without the length of a network.
READABLE_IP = "host(ip) as ip"
# Whether its fields are a claim; null is of a release that only kept what the edge answered.
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
