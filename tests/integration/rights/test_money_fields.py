"""Money is known by the names of its fields, so every name that looks like money is decided upon."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from admin_api.rights import NEEDS, hidden, is_hidden
from admin_api.runtime import Actor
from tracking.rights import Right, Role, rights_of
from two_sources import TwoSources

ANALYST = Actor("analyst", None, 1, Role.ANALYST, rights_of(Role.ANALYST), None)
WITH_MONEY = Actor("analyst", None, 1, Role.ANALYST, rights_of(Role.ANALYST, sees_money=True), None)
PARTNER = Actor("partner", None, 1, Role.PARTNER, rights_of(Role.PARTNER), 7)
_LOOKS_LIKE_MONEY = re.compile(
    "minor|amount|payout|revenue|commission|cost|profit|roi|epc|balance|price|fee|paid|earn|sum|percent"
)
# They look like money, and say nothing of how much: kinds, numbers, names, times, currencies and flags.
NO_AMOUNTS = {
    *("amount_changes", "commission_currency", "commission_reasons", "default_plan_id", "from_payout_minor"),
    *("minimum_payout_currency", "paid_at", "paid_by", "payout_id", "payout_schedule", "sees_money", "summary"),
    *("cost_currency", "coverage"),
}


def names(schema: Any, definitions: dict[str, Any], seen: set[str]) -> Iterator[str]:
    """Yield the names of all fields of a schema, however deep."""
    if isinstance(schema, list):
        for each in schema:
            yield from names(each, definitions, seen)
    elif isinstance(schema, dict):
        reference = schema.get("$ref", "").rpartition("/")[2]
        if reference and reference not in seen:
            seen.add(reference)
            yield from names(definitions[reference], definitions, seen)
        yield from schema.get("properties", {})
        for each in schema.values():
            yield from names(each, definitions, seen)


def test_every_field_that_looks_like_money_is_hidden_or_decided_upon(world: TwoSources) -> None:
    document = world.admin.request("GET", "/v1/openapi.json").json
    definitions = document["components"]["schemas"]
    undecided = set()
    for path, methods in document["paths"].items():
        for method, declared in methods.items():
            need = NEEDS.get(f"{method.upper()} {path}")
            if need is None or Right.MONEY_READ in need.rights or Right.MONEY_WRITE in need.rights:
                continue
            answers = [answer for status, answer in declared["responses"].items() if status.startswith("2")]
            undecided |= {
                name
                for name in names(answers, definitions, set())
                if _LOOKS_LIKE_MONEY.search(name) and not is_hidden(name, ANALYST) and name not in NO_AMOUNTS
            }
    assert undecided == set()


def test_whoever_sees_money_is_shown_the_answer_as_it_is() -> None:
    answer = {"payout": "1.00", "items": [{"revenue_minor": 5, "notes": "n"}]}
    assert not is_hidden("payout", WITH_MONEY)
    assert hidden(answer, WITH_MONEY) == answer


def test_money_is_hidden_however_deep_it_is() -> None:
    answer = {"items": [{"id": 1, "deep": {"payout_minor": 5, "x": [{"cost": 1}]}}], "next_cursor": None}
    expected = {"items": [{"id": 1, "deep": {"payout_minor": None, "x": [{"cost": None}]}}], "next_cursor": None}
    assert hidden(answer, ANALYST) == expected


def test_a_change_of_a_hidden_field_is_shown_without_its_values() -> None:
    answer = {
        "corrections": 1,
        "changes": [{"field": "payout_minor", "before": 1, "after": 2}, {"field": "event", "before": "a"}],
    }
    assert hidden(answer, ANALYST)["changes"] == [
        {"field": "payout_minor", "before": None, "after": None},
        {"field": "event", "before": "a"},
    ]


def test_a_sentence_about_hidden_money_is_hidden_with_it() -> None:
    step = {"summary": "ftd of 50.00 USD", "detail": {"payout_minor": 5000}}
    assert hidden(step, ANALYST) == {"summary": None, "detail": {"payout_minor": None}}
    assert hidden({"summary": "redirected", "detail": {"x": 1}}, ANALYST)["summary"] == "redirected"


def test_a_partner_sees_what_it_earns_and_not_what_merchants_pay() -> None:
    answer = {"payout": "50.00", "commission_minor": 1111, "amount": "11.11", "revenue": 1, "plan_id": 3}
    assert hidden(answer, PARTNER) == {
        "payout": None,
        "commission_minor": 1111,
        "amount": "11.11",
        "revenue": None,
        "plan_id": None,
    }
