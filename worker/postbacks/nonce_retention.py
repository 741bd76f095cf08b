"""Deletes the ids of signed postbacks once no copy of the postback can still arrive.

Edges refuse a copy after ten minutes, but one that came in time may lie in the spool of a host that is down.
"""

from __future__ import annotations

from worker.runtime import Connection, resources

KEPT_DAYS = 90
DELETED_TOGETHER = 5000
_FORGET = (
    "delete from postback_nonces where (merchant_id, nonce) in (select merchant_id, nonce from postback_nonces"
    " where received_at < now() - make_interval(days => %s) order by received_at limit %s for update skip locked)"
)


def forget_old_nonces() -> None:
    """Delete ids older than KEPT_DAYS, in transactions so small that no other task waits for them."""
    used = resources.current()
    forgotten = 0
    goes_on = used.turn()
    while goes_on():
        deleted = used.database.run(_forget_some)
        forgotten += deleted
        if deleted < DELETED_TOGETHER:
            break
    used.tally.add(nonces_forgotten=forgotten)


def _forget_some(connection: Connection) -> int:
    return connection.execute(_FORGET, [KEPT_DAYS, DELETED_TOGETHER]).rowcount
