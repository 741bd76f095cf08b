"""What the edge knows of an account: as the mirror has it at this moment, and as before where it has less."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from config.configuration import (
    MirrorReader,
    PublishedAccount,
    PublishedEvents,
    PublishedToken,
    account_key,
    encode_published,
    events_key,
    token_key,
)
from edge.postbacks import Accounts
from tracking.conversions import REPEATABLE_EVENTS, Event
from tracking.postbacks import AccountRules


class Served(dict[str, bytes]):
    """A mirror in a dictionary."""

    def get(self, *keys: str) -> list[bytes | None]:  # type: ignore[override]
        """Return the values of some keys, as MirrorReader does."""
        return [super(Served, self).get(key) for key in keys]


def accounts(served: Served) -> Accounts:
    mirror: MirrorReader = served  # type: ignore[assignment]
    return Accounts(mirror)


def account(**fields: Any) -> bytes:
    values = {"merchant_id": 7, "currency": "EUR", "authentication": "token", "networks": [], "rate_per_minute": None}
    return encode_published(PublishedAccount(**{**values, "secrets": [], "mapping": {}, **fields}))  # type: ignore[arg-type]


def test_an_unknown_token_is_none_and_no_token_is_nobody() -> None:
    found = accounts(Served())
    assert found.find("x") is None
    nobody = found.find(None)
    assert nobody is not None
    assert (nobody.merchant_id, nobody.rules, nobody.authentication) == (None, AccountRules(), "none")


def test_a_mirror_of_the_release_before_has_tokens_alone_which_authenticate() -> None:
    served = Served({token_key("x"): encode_published(PublishedToken(7, "EUR"))})
    found = accounts(served).find("x")
    assert found is not None
    assert (found.merchant_id, found.authentication, found.rules.currency) == (7, "token", "EUR")
    assert (found.rules.events, found.repeatable) == (frozenset(Event), REPEATABLE_EVENTS)


def test_a_change_of_an_account_or_of_the_event_types_counts_at_once() -> None:
    served = Served({token_key("x"): encode_published(PublishedToken(7, "EUR")), account_key(7): account()})
    found = accounts(served)
    before = found.find("x")
    assert before is not None
    assert before is found.find("x")
    served[account_key(7)] = account(
        authentication="hmac", currency="JPY", networks=["203.0.113.0/24"], secrets=["whsec_x"], rate_per_minute=5
    )
    served[events_key()] = encode_published(PublishedEvents(["ftd", "spin"], ["spin"]))
    after = found.find("x")
    assert after is not None
    assert (after.authentication, after.rules.currency, after.secrets, after.rate_per_minute) == (
        "hmac",
        "JPY",
        ("whsec_x",),
        5,
    )
    assert after.networks == (ip_network("203.0.113.0/24"),)
    assert (after.rules.events, after.repeatable) == ({"ftd", "spin"}, {"spin"})
    nobody = found.find(None)
    assert nobody is not None
    assert (nobody.rules.events, nobody.repeatable) == ({"ftd", "spin"}, {"spin"})


def test_an_accounts_mapping_becomes_its_rules() -> None:
    mapping = {"parameter_names": {"order_id": ["cid"]}, "platform": "myaffiliates", "default_event": "ftd"}
    served = Served(
        {token_key("x"): encode_published(PublishedToken(7, "EUR")), account_key(7): account(mapping=mapping)}
    )
    found = accounts(served).find("x")
    assert found is not None
    assert found.rules.names["order_id"][0] == "cid"
    assert found.rules.names["click_id"][0] == "payload"
    assert "cid" not in found.rules.names["click_id"]
    assert found.rules.default_event == "ftd"
