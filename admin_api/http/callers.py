"""What tells callers apart where something is counted or kept for each: API tokens by number, users by number."""

from __future__ import annotations

from admin_api.runtime import Actor


def caller_key(actor: Actor) -> str:
    """Return the caller's key. A token has one of its own, so that a program never spends what its owner has left."""
    return f"user:{actor.user_id}" if actor.token_id is None else f"token:{actor.token_id}"
