"""How payouts are made: by the schedule in a worker, and by an operator in the admin API."""

from __future__ import annotations

# RACE: the lock keeps other runs out. It is taken before the first query, so every query sees the same entries.
BEGIN = ("set transaction isolation level repeatable read", "lock table payouts in share row exclusive mode")
# It takes the end of each schedule's last period.
PAYABLE = "select * from payable_at(%(weekly)s, %(fortnightly)s, %(monthly)s)"
# It takes a source, a currency, a schedule and the end of the period.
MAKE = "select make_payout(%s, %s, %s, %s) as payout_id"
