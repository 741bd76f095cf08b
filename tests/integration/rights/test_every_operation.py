"""Every operation, for every kind of caller, on an own object and on another's. The table says what is expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pytest

from admin_api.rights import NEEDS
from every_operation import Asked, ask_everything, every_operation
from tracking.rights import Right, Role, missing_rights, rights_of
from two_sources import EARNED, TwoSources

# Amounts of merchants, in minor and major units, and a cost: a partner is shown none of them.
MERCHANTS_MONEY = ("77.77", "7777", "88.88", "8888", "66.66")
# Moments and ids may have the digits of an amount.
_OTHER_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}")


class Caller(NamedTuple):
    """A kind of caller. `scopes` are those of its token; None means all that the role has."""

    role: Role
    sees_money: bool = False
    scopes: tuple[Right, ...] | None = None
    source_id: int | None = None

    @property
    def rights(self) -> frozenset[Right]:
        held = rights_of(self.role, sees_money=self.sees_money)
        return held if self.scopes is None else held & set(self.scopes)

    def token(self, world: TwoSources) -> str:
        scopes = None if self.scopes is None else [scope.value for scope in self.scopes]
        return world.token(self.role, scopes=scopes, sees_money=self.sees_money, source_id=self.source_id)


CALLERS = {
    "owner": Caller(Role.OWNER),
    "manager": Caller(Role.MANAGER),
    "analyst": Caller(Role.ANALYST),
    "analyst with money": Caller(Role.ANALYST, sees_money=True),
    "partner": Caller(Role.PARTNER, source_id=1),
    "owner's token without scopes": Caller(Role.OWNER, scopes=()),
    "owner's token for clicks": Caller(Role.OWNER, scopes=(Right.TRAFFIC_READ,)),
    "partner's token for conversions": Caller(Role.PARTNER, scopes=(Right.CONVERSIONS_READ,), source_id=1),
}


def test_every_operation_is_in_the_table_and_nothing_else_is(world: TwoSources) -> None:
    offered = set(every_operation(world))
    assert (offered - set(NEEDS), set(NEEDS) - offered) == (set(), set())


@pytest.mark.parametrize("name", CALLERS)
def test_a_caller_may_do_what_the_table_says_and_nothing_else(world: TwoSources, name: str) -> None:
    caller = CALLERS[name]
    wrong = [asked for asked in ask_everything(world, caller.token(world), 1) if not fits(caller, asked)]
    assert [(asked.name, asked.status, asked.answer) for asked in wrong] == []


def fits(caller: Caller, asked: Asked) -> bool:
    """Say whether the answer is what the table promises."""
    missing = missing_rights(caller.rights, asked.need.rights)
    if missing:
        named = all(right in asked.answer.get("detail", "") for right in missing)
        return (asked.status, asked.code) == (403, "forbidden") and named
    if caller.role is Role.PARTNER and not asked.need.partner:
        return (asked.status, asked.code) == (403, "forbidden") and "partners" in asked.answer["detail"]
    if caller.role is Role.PARTNER and asked.name.startswith("GET") and asked.is_about_an_owned_object:
        return asked.status == 200
    return asked.status != 401 and asked.code != "forbidden" and asked.status < 500


@pytest.mark.parametrize("source_id", [1, 2])
def test_for_a_partner_the_object_of_another_source_does_not_exist(world: TwoSources, source_id: int) -> None:
    token = Caller(Role.PARTNER, source_id=3 - source_id).token(world)
    everything = list(ask_everything(world, token, source_id))
    others = [each for each in everything if each.is_about_an_owned_object and each.need.partner]
    assert len(others) > 15
    assert [(each.name, each.status, each.answer) for each in others if each.status != 404] == []


@pytest.mark.parametrize("source_id", [1, 2])
def test_a_partner_is_shown_nothing_of_others_and_no_money_of_merchants(world: TwoSources, source_id: int) -> None:
    token = Caller(Role.PARTNER, source_id=source_id).token(world)
    other = world.owned[3 - source_id]
    hidden = [str(other[name]) for name in ("click_id", "conversion_id", "delivery_id")]
    hidden += [f"{word}{3 - source_id}" for word in ("slug", "link of ", "outgoing of ")]
    shown = {each.name: str(each.answer) for each in ask_everything(world, token, source_id) if each.status == 200}
    assert str(EARNED[source_id]) in shown["GET /v1/entries"]
    assert str(EARNED[source_id]) in shown["GET /v1/conversions"]
    told = [(name, word) for name, text in shown.items() for word in (*hidden, "secret note") if word in text]
    assert told == []
    assert amounts_in(shown, (*MERCHANTS_MONEY, str(EARNED[3 - source_id]))) == []


def amounts_in(shown: Mapping[str, str], amounts: Iterable[str]) -> list[tuple[str, str]]:
    """Return which amounts stand in which answers."""
    whole = re.compile(rf"(?<![\d.])({'|'.join(map(re.escape, amounts))})(?!\d)")
    return [(name, found) for name, text in shown.items() for found in whole.findall(_OTHER_DIGITS.sub("", text))]


def test_an_analyst_without_money_sees_no_amount_and_one_with_money_does(world: TwoSources) -> None:
    without, with_money = (CALLERS[name].token(world) for name in ("analyst", "analyst with money"))
    amounts = (*MERCHANTS_MONEY, *map(str, EARNED.values()))
    shown = {each.name: str(each.answer) for each in ask_everything(world, without, 1) if each.status == 200}
    assert amounts_in(shown, amounts) == []
    assert amounts_in({"conversions": world.ask(with_money, "GET", "/v1/conversions").text}, ["7777"])
    for query in ("currency=USD", "postponed=true"):
        assert world.ask(without, "GET", f"/v1/conversions?{query}").json["code"] == "money-hidden"
        assert world.ask(with_money, "GET", f"/v1/conversions?{query}").status_code == 200


def test_without_a_valid_token_nothing_is_answered(world: TwoSources) -> None:
    tokens = [world.token(Role.OWNER, expired=True), world.token(Role.OWNER, disabled_at="2020-01-01"), "wp_unknown"]
    for token in tokens:
        answers = {(each.status, each.code) for each in ask_everything(world, token, 1)}
        assert answers == {(401, "bad-token")}


def test_a_partner_changes_what_is_its_own_and_gets_no_further(world: TwoSources) -> None:
    token = Caller(Role.PARTNER, source_id=1).token(world)
    body = {"name": "Mine", "url": "https://p.example/?c={click_id}"}
    made = world.ask(token, "POST", "/v1/outgoing-postbacks", body)
    assert made.status_code == 201, made.text
    assert made.json["source_id"] == 1
    path = f"/v1/outgoing-postbacks/{made.json['outgoing_postback_id']}"
    assert world.ask(token, "PATCH", path, {"name": "Still mine"}, If_Match="*").status_code == 200
    assert world.ask(token, "PATCH", path, {"source_id": 2}, If_Match="*").status_code in (400, 403)
    for bad in ({"source_id": 2}, {"method": "POST"}, {"url": "https://p.example/?a={payout}"}):
        answer = world.ask(token, "POST", "/v1/outgoing-postbacks", body | bad)
        assert answer.status_code in (400, 403), (bad, answer.text)
    assert world.ask(token, "DELETE", path, If_Match="*").status_code == 204
