"""Counts failed logins in PostgreSQL.

They are not in Redis, since a flush of Redis would give every attacker a fresh start; a login computes a hash of
140 ms, beside which three rows cost nothing. An attempt is counted as failed before the password is looked at and taken
back when it was right, so attempts at the same time do not share one count.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from math import ceil
from typing import NamedTuple

from admin_api.people.errors import TooManyAttemptsError
from admin_api.people.throttling import FORGOTTEN_AFTER, Failures, History, wait_s
from admin_api.runtime import Database

# An address that somebody else has got meanwhile must not stay known for ever.
KNOWN_FOR = timedelta(days=90)
_FORGET = """
    delete from login_failures where counted in (select counted from login_failures
        where last_failed_at < %s order by last_failed_at limit 20 for update skip locked)
"""
_LOCK = (
    "select counted, failures, last_failed_at from login_failures where counted = any(%s) order by counted for update"
)
_COUNT = """
    update login_failures set last_failed_at = %(now)s,
        failures = case when last_failed_at <= %(fresh_since)s then 1 else least(failures + 1, 1000000) end
    where counted = any(%(counted)s)
"""
_TAKE_BACK = "update login_failures set failures = greatest(failures - 1, 0) where counted = any(%s)"


class Attempt(NamedTuple):
    """One attempt to log in: the account as it was typed, its network, and whether they know each other."""

    email: str
    network: str
    known: bool

    @property
    def of_both(self) -> bytes:
        return _counted("both", self.email, self.network)

    @property
    def of_address(self) -> bytes:
        return _counted("address", self.network)

    @property
    def of_account(self) -> bytes:
        return _counted("account", self.email)

    @property
    def counted(self) -> list[bytes]:
        """What a failure counts against. From a known address it is its own count alone."""
        return [self.of_both] if self.known else [self.of_both, self.of_address, self.of_account]


def network_of(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 address, which one host may fill."""
    try:
        found = ip_address(address)
    except ValueError:
        return "0.0.0.0"  # noqa: S104
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(IPv4Network(found.ipv4_mapped)[0])
        return str(IPv6Network((int(found), 64), strict=False))
    return str(found)


def is_known(database: Database, user_id: int | None, network: str, now: datetime) -> bool:
    """Say whether somebody has logged in to an account from this network in the last 90 days."""
    found = database.execute(
        "select from known_addresses where user_id = %s and network = %s::inet and last_login_at > %s",
        [user_id, network, now - KNOWN_FOR],
    )
    return found.rowcount > 0


def begin_attempt(database: Database, attempt: Attempt, now: datetime) -> None:
    """Count an attempt as failed, or raise TooManyAttemptsError, which counts nothing."""
    keys = sorted((attempt.of_both, attempt.of_address, attempt.of_account))
    with database.transaction():
        database.execute(_FORGET, [now - FORGOTTEN_AFTER])
        # The rows are made and locked in one order, so two attempts never wait for each other.
        for key in keys:
            database.execute("insert into login_failures values (%s, 0, %s) on conflict do nothing", [key, now])
        found = {
            bytes(row["counted"]): Failures(row["failures"], row["last_failed_at"])
            for row in database.execute(_LOCK, [keys]).fetchall()
        }
        history = History(
            found.get(attempt.of_both, Failures()),
            found.get(attempt.of_address, Failures()),
            found.get(attempt.of_account, Failures()),
            attempt.known,
        )
        waits_s = ceil(wait_s(history, now))
        if waits_s > 0:
            raise TooManyAttemptsError(f"too many wrong logins; try again in {waits_s} s", waits_s)
        database.execute(_COUNT, {"now": now, "fresh_since": now - FORGOTTEN_AFTER, "counted": attempt.counted})


def take_back(database: Database, attempt: Attempt) -> None:
    """Take back the failure that an attempt was counted as: it was neither right nor wrong."""
    database.execute(_TAKE_BACK, [attempt.counted])


def note_success(database: Database, attempt: Attempt, user_id: int, now: datetime) -> None:
    """Forget what failed from this address at this account, which knows the address from now on."""
    take_back(database, attempt)
    database.execute("delete from login_failures where counted = %s", [attempt.of_both])
    database.execute(
        "delete from known_addresses where user_id = %s and last_login_at <= %s", [user_id, now - KNOWN_FOR]
    )
    database.execute(
        "insert into known_addresses (user_id, network, last_login_at) values (%s, %s::inet, %s)"
        " on conflict (user_id, network) do update set last_login_at = excluded.last_login_at",
        [user_id, attempt.network, now],
    )


def _counted(*parts: str) -> bytes:
    return sha256("\0".join(parts).encode()).digest()
