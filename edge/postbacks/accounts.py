"""Finds in the mirror the account that a postback is sent for, by its token, and how its postbacks are read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from config.configuration import (
    MirrorReader,
    PublishedAccount,
    PublishedEvents,
    account_key,
    decode_account,
    decode_events,
    decode_token,
    events_key,
    token_key,
)
from tracking.conversions import REPEATABLE_EVENTS, Event
from tracking.postbacks import AccountRules, account_rules

_BUILT_IN = PublishedEvents([event.value for event in Event], [event.value for event in REPEATABLE_EVENTS])


@dataclass(frozen=True, slots=True)
class Account:
    """How the postbacks of one account are read and authenticated. Without a token, `merchant_id` is None.

    `repeatable` are the event types that may count several times for a click without an order id.
    """

    merchant_id: int | None
    rules: AccountRules
    repeatable: frozenset[str]
    authentication: str = "none"
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    secrets: tuple[str, ...] = ()
    rate_per_minute: int | None = None


class Accounts:
    """Finds accounts in the mirror."""

    def __init__(self, mirror: MirrorReader) -> None:
        self._mirror = mirror

    def find(self, token: str | None) -> Account | None:
        """Return the account of a token; None if the token is unknown. Without a token, the anonymous account."""
        if token is None:
            return _nobody(self._mirror.get(events_key())[0])
        served = self._mirror.get(token_key(token))[0]
        if served is None:
            return None
        named = decode_token(served)
        account, events = self._mirror.get(account_key(named.merchant_id), events_key())
        return _account(named.merchant_id, named.currency, account, events)


# PERF: an account seldom changes in the mirror, and making its rules takes longer than applying them.
@lru_cache(1024)
def _account(merchant_id: int, currency: str, data: bytes | None, events: bytes | None) -> Account:
    known = _events(events)
    # A mirror that an earlier release published has tokens and no accounts. All that was asked for then was the token.
    served = (
        PublishedAccount(merchant_id, currency, "token", [], None, [], {}) if data is None else decode_account(data)
    )
    return Account(
        merchant_id,
        account_rules(merchant_id, served.currency, served.mapping, frozenset(known.events)),
        frozenset(known.repeatable),
        served.authentication,
        tuple(ip_network(network) for network in served.networks),
        tuple(served.secrets),
        served.rate_per_minute,
    )


@lru_cache(8)
def _nobody(events: bytes | None) -> Account:
    known = _events(events)
    return Account(None, AccountRules(events=frozenset(known.events)), frozenset(known.repeatable))


def _events(data: bytes | None) -> PublishedEvents:
    return _BUILT_IN if data is None else decode_events(data)
