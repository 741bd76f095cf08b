"""How payouts are made: by the schedule in a worker, and by an operator in the admin API."""

from __future__ import annotations

# RACE: no other run at the same time, and one view of the entries from here on; a lock before the first query.
BEGIN = ("set transaction isolation level repeatable read", "lock table payouts in share row exclusive mode")
# Of the end of each schedule's last period.
PAYABLE = "select * from payable_at(%(weekly)s, %(fortnightly)s, %(monthly)s)"
# Of a source, a currency, a schedule and the end of the period.
MAKE = "select make_payout(%s, %s, %s, %s) as payout_id"
