"""The columns of delivery_attempts. The worker writes how an attempt ended, and the admin API shows it."""

from __future__ import annotations

# The columns that say how an attempt ended, with their types.
ENDED = {
    "duration_ms": "integer",
    "method": "text",
    "url": "text",
    "headers": "jsonb",
    "body": "text",
    "address": "inet",
    "response_status": "integer",
    "response_headers": "jsonb",
    "response_body": "text",
    "error": "text",
    "detail": "text",
}
SHOWN = ", ".join(
    "host(address) as address" if name == "address" else name for name in ("attempt", "started_at", "ended_at", *ENDED)
)
