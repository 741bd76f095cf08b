"""A stored click explains what the rules decided about it, by the rules as they were then."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.types.json import Jsonb

from admin_api.runtime import Database
from admin_client import CLICK_ID_KEYS, AdminClient
from documented import assert_as_documented
from tracking.clicks import ClickIdMint, ProcessIdentity

RULES = {
    "rules": [
        {
            "name": "Phones",
            "conditions": [{"field": "device", "values": ["phone"]}],
            "destinations": [{"url": "https://phone.example/"}],
        },
        {
            "conditions": [{"field": "country", "values": ["DE", "AT"]}],
            "destinations": [{"name": "A", "url": "https://a.example/", "weight": 7}, {"url": "https://b.example/"}],
            "overflow_url": "https://later.example/",
        },
    ],
    "countries": {"FR": "https://fr.example/"},
}


class Told:
    """A link with rules, and what is told of clicks of it."""

    def __init__(self, admin: AdminClient, database: Database, rules: Any = RULES) -> None:
        self.admin, self.database = admin, database
        self.link = admin.link(admin.merchant(), routing=rules)
        database.execute("create table if not exists clicks_all partition of clicks default")

    def click(self, routing: Any, **columns: Any) -> str:
        click_id = ClickIdMint(CLICK_ID_KEYS, ProcessIdentity(1, 2, 3)).mint()[0]
        values = {"country": "DE", "device": "desktop"} | columns
        self.database.execute(
            "insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug,"
            " query, parameters, user_agent, referrer, accept_language, location, spool_id, spool_number, country,"
            " device, routing) values (%s, now(), %s, 2, 3, 'valid', 'GET', 'h', 's', '', '{}', 'ua', '', '', 'l', 's',"
            " 0, %s, %s, %s)",
            [click_id, self.link["link_id"], values["country"], values["device"], Jsonb(routing) if routing else None],
        )
        return click_id

    def decision(self, routing: Any, **columns: Any) -> dict[str, Any]:
        """Return what both pages of a click say, which is the same."""
        click_id = self.click(routing, **columns)
        shown = self.admin.request("GET", f"/v1/clicks/{click_id}")
        assert_as_documented(self.admin, "GET /v1/clicks/{click_id}", shown)
        trace = self.admin.request("GET", f"/v1/clicks/{click_id}/trace")
        assert_as_documented(self.admin, "GET /v1/clicks/{click_id}/trace", trace)
        step = trace.json["steps"][1]
        decision: dict[str, Any] = shown.json["decision"]
        assert step["detail"]["decision"] == decision
        assert all(sentence.removesuffix(".") in step["summary"] for sentence in decision["words"])
        return decision

    def numbers(self, rule: int) -> tuple[int, list[int]]:
        shown = self.link["routing"]["rules"][rule]
        return shown["rule_id"], [each["destination_id"] for each in shown["destinations"]]


@pytest.fixture
def told(admin: AdminClient, database: Database) -> Told:
    return Told(admin, database)


def test_the_rule_that_decided_is_told_with_those_that_were_passed_over(told: Told) -> None:
    rule_id, destinations = told.numbers(1)
    decision = told.decision([1, [0], rule_id, destinations[0], None, {}])
    decided = (
        f"Rule 2 decided, because country is DE or AT. Destination {destinations[0]} (A) was chosen, by a hash of"
        " address, user agent and link: weight 7 of 8."
    )
    assert decision["words"] == [
        "Rule 1 (Phones) was passed over: it asks that device is phone, and device was 'desktop'.",
        decided,
    ]
    assert (decision["rule_id"], decision["destination_name"], decision["how"]) == (rule_id, "A", None)
    assert (decision["link_revision"], decision["link_changed_by"]) == (1, "test")


def test_a_change_of_the_rules_does_not_change_what_is_told_of_an_earlier_click(told: Told) -> None:
    rule_id, destinations = told.numbers(1)
    outcome = [1, [0], rule_id, destinations[0], None, {}]
    before = told.decision(outcome)
    path = f"/v1/links/{told.link['link_id']}"
    assert told.admin.request("PATCH", path, {"routing": None, "name": "Other"}).status_code == 200
    assert told.decision(outcome) == before


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        ([1, [0, 0], None, None, "country", {}], "No rule decided; the country table has a destination for FR."),
        ([1, [0, -1], None, None, None, {}], "No rule decided, so the click went to the link's own destination."),
        (
            [1, [], None, None, "overflow", {}],
            "The link's caps were exhausted, so the click went to the link's",
        ),
        ([1, [], None, None, "fallback", {}], "profile's fallback URL"),
        ([1, [], None, None, "broken", {}], "could not be read at the edge"),
        ([9, [0], 5, 6, None, {}], "Revision 9 of the link decided, which is not kept."),
    ],
)
def test_every_other_end_of_the_rules_is_told(told: Told, outcome: Any, said: str) -> None:
    assert said in told.decision(outcome, country="FR")["words"][-1]


def test_an_overflow_of_a_rule_is_told(told: Told) -> None:
    rule_id, _ = told.numbers(1)
    decision = told.decision([1, [-2], rule_id, None, "overflow", {}])
    assert decision["words"][0] == "Rule 1 (Phones) was passed over: it is switched off."
    assert decision["words"][1].endswith("all of its destinations were exhausted, so its overflow URL was used.")


def test_the_version_of_the_rotation_that_chose_is_told(admin: AdminClient, database: Database) -> None:
    rotation = admin.created("rotations", name="Offers", destinations=[{"name": "First", "url": "https://r.example/"}])
    number = rotation["rotation_id"]
    told = Told(admin, database, {"rules": [{"destinations": [{"rotation_id": number}]}]})
    chosen = rotation["destinations"][0]["destination_id"]
    admin.request(
        "PATCH", f"/v1/rotations/{number}", {"name": "Renamed", "destinations": [{"url": "https://n.example/"}]}
    )
    rule_id, _ = told.numbers(0)
    decision = told.decision([1, [], rule_id, chosen, None, {"rotation": [number, 1]}])
    assert (decision["rotation_id"], decision["rotation_revision"], decision["destination_name"]) == (
        number,
        1,
        "First",
    )
    assert "(First) was chosen through rotation Offers (revision 1)" in decision["words"][-1]


def test_a_click_of_a_link_without_rules_says_so(admin: AdminClient, database: Database) -> None:
    told = Told(admin, database, None)
    decision = told.decision(None)
    assert decision["words"] == ["The link has no rules, so the click went to the link's own destination."]
    assert (decision["link_revision"], decision["rule_id"], decision["facts"]) == (1, None, {})


def test_a_click_without_an_outcome_although_there_were_rules_says_so(told: Told) -> None:
    assert told.decision(None)["words"][0].startswith("The click has no outcome of rules")


def test_a_click_of_a_link_that_is_gone_is_still_told(told: Told, database: Database) -> None:
    rule_id, destinations = told.numbers(1)
    database.execute("delete from links")
    decision = told.decision([1, [0], rule_id, destinations[0], None, {"country": "DE"}])
    assert decision["words"] == ["Revision 1 of the link decided, which is not kept."]
    assert (decision["rule_id"], decision["link_changed_at"], decision["facts"]) == (rule_id, None, {"country": "DE"})
