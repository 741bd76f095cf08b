"""How long a login has to wait after failed ones. Pure: the counts come from login_attempts, the moment from a caller.

Three things are counted: failures of one account from one address, of one address at any account, and of one account
from addresses that nobody has logged in to it from. The waits of an address that is known to the account depend on its
own failures there alone, so whatever strangers do, they keep nobody out. An unknown address always has its first
guess at an account for nothing, even while the account is under attack.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

# Failures are forgotten when none was added for this long.
FORGOTTEN_AFTER = timedelta(hours=1)
# An account with more failures than this from unknown addresses is under attack: each of them has one guess.
UNDER_ATTACK = 50


class Failures(NamedTuple):
    """How often something failed, and when it did last."""

    number: int = 0
    last_at: datetime | None = None


class History(NamedTuple):
    """What failed before a login, and whether its address has logged in to its account before."""

    of_both: Failures
    of_address: Failures
    of_account: Failures
    known: bool


class Allowance(NamedTuple):
    """So many failures cost nothing. Each further one doubles the wait, from one second up to `longest_s`."""

    free: int
    longest_s: int

    def wait_s(self, failures: Failures, now: datetime) -> float:
        """Return the seconds until the next attempt is looked at, 0 if it is now."""
        if failures.last_at is None or now - failures.last_at >= FORGOTTEN_AFTER or failures.number < self.free:
            return 0.0
        # The exponent is bounded: 2 ** failures would not fit a float after a day of guesses.
        delay_s = min(2.0 ** min(failures.number - self.free, 30), self.longest_s)
        return max(0.0, delay_s - (now - failures.last_at).total_seconds())


# At a known address a person mistypes, or somebody beside that person guesses: 30 s is a wait and no lock.
KNOWN = Allowance(10, 30)
UNKNOWN = Allowance(5, 900)
ATTACKED = Allowance(1, 900)
# An office has many accounts behind one address.
ADDRESS = Allowance(30, 900)


def wait_s(history: History, now: datetime) -> float:
    """Return how many seconds a login has to wait, 0 if it is looked at now."""
    if history.known:
        return KNOWN.wait_s(history.of_both, now)
    own = ATTACKED if is_attacked(history.of_account, now) else UNKNOWN
    return max(own.wait_s(history.of_both, now), ADDRESS.wait_s(history.of_address, now))


def is_attacked(of_account: Failures, now: datetime) -> bool:
    """Say whether an account has many fresh failures from addresses that it does not know."""
    fresh = of_account.last_at is not None and now - of_account.last_at < FORGOTTEN_AFTER
    return fresh and of_account.number >= UNDER_ATTACK
