"""The columns of clicks. The worker copies rows into them, and the admin API shows them."""

from __future__ import annotations

from tracking.clicks import SUB_NAMES

# The texts of the request, as the click record has them.
REQUEST = ("method", "host", "slug", "query", "user_agent", "referrer", "accept_language", "location")
# Why the click went where it went, from the record's `routing`; null for a link without rules.
ROUTING = ("routing", "rule_id", "destination_id")
# What the worker finds out about the visitor: of the address, and of the user agent.
PLACE = ("country", "region", "city", "asn", "isp", "connection")
DEVICE = ("device", "os", "browser")
# What the click says in parameters of its own.
STATED = ("campaign", "external_id", "cost")
# The columns in the order of COPY.
WRITTEN = (
    *("click_id", "clicked_at", "link_id", "profile_id", "config_version", "class", "spool_id", "spool_number"),
    *REQUEST,
    *("parameters", "ip"),
    *SUB_NAMES,
    *(*PLACE, "anonymous", *DEVICE, "language", "referrer_host"),
    *(*STATED, "cuts", "visitor", "is_unique"),
    *ROUTING,
)
# The table is called `c`, since it is joined with links and profiles, which have columns of the same names.
SHOWN = ", ".join(
    "host(c.ip) as ip" if name == "ip" else f"c.{name}"
    for name in (
        *WRITTEN[:6],
        *SUB_NAMES,
        *REQUEST,
        *("parameters", "ip"),
        *(*PLACE, *DEVICE, "language", "referrer_host"),
        *(*STATED, "cuts", "is_unique"),
        *ROUTING,
        *("spool_id", "spool_number", "stored_at"),
    )
)
