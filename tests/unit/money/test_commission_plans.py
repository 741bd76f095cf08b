"""Which plan a conversion falls under: the whole table of precedence, of what never applies, and of ties."""

from __future__ import annotations

from datetime import date
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracking.money import Plan, PlanLookup, resolve_plan, winner
from tracking.money.commission_plans import PlanRung, PlanVerdict

DAY = date(2026, 6, 15)
BRAND, OTHER = 1, 2
CASE = PlanLookup(BRAND, "DE", DAY, link_plan_id=1, profile_plan_id=2, default_plan_id=3)


def plan(plan_id: int, **changes: Any) -> Plan:
    values: dict[str, Any] = {
        "name": f"plan {plan_id}",
        "merchant_id": None,
        "countries": frozenset(),
        "starts_on": date(2026, 1, 1),
        "currency": "USD",
    }
    return Plan(plan_id, **values | changes)


# One plan on each rung of CASE, highest first.
LADDER = (
    plan(1),
    plan(2),
    plan(3),
    plan(4, merchant_id=BRAND, countries=frozenset({"DE", "AT"})),
    plan(5, merchant_id=BRAND),
    plan(6, countries=frozenset({"DE"})),
    plan(7),
)
RUNGS = dict(zip([each.plan_id for each in LADDER], PlanRung, strict=True))


@pytest.mark.parametrize("count", range(1, len(LADDER) + 1))
def test_of_any_plans_that_apply_the_one_on_the_highest_rung_wins(count: int) -> None:
    for chosen in combinations(LADDER, count):
        candidates = resolve_plan(reversed(chosen), CASE)
        assert [each.plan for each in candidates] == list(chosen)
        assert [each.rung for each in candidates] == [RUNGS[each.plan_id] for each in chosen]
        assert [each.verdict for each in candidates] == [PlanVerdict.WON] + [PlanVerdict.LOWER_RUNG] * (count - 1)


@pytest.mark.parametrize("rung", PlanRung)
@pytest.mark.parametrize(
    ("spoiled", "verdict"),
    [
        ({"active": False}, PlanVerdict.INACTIVE),
        ({"merchant_id": OTHER}, PlanVerdict.OTHER_BRAND),
        ({"countries": frozenset({"FR"})}, PlanVerdict.OTHER_COUNTRY),
        ({"starts_on": date(2026, 6, 16)}, PlanVerdict.NOT_STARTED),
    ],
)
def test_a_plan_that_does_not_apply_loses_however_it_was_chosen(
    rung: PlanRung, spoiled: dict[str, Any], verdict: PlanVerdict
) -> None:
    at = list(PlanRung).index(rung)
    good = plan(LADDER[at].plan_id, merchant_id=LADDER[at].merchant_id, countries=LADDER[at].countries)
    bad = Plan(**{name: getattr(good, name) for name in Plan.__dataclass_fields__} | spoiled)
    others = LADDER[at + 1 :]
    candidates = resolve_plan([bad, *others], CASE)
    assert candidates[-1].plan == bad
    assert candidates[-1].verdict is verdict
    won = winner(candidates)
    assert (won.plan if won else None) == (others[0] if others else None)


def test_a_plan_counts_from_its_first_day_on() -> None:
    first = plan(7, starts_on=DAY)
    assert winner(resolve_plan([first], CASE)) is not None
    assert winner(resolve_plan([first], CASE._replace(day=date(2026, 6, 14)))) is None


def test_an_unknown_country_is_none_of_a_plans_countries() -> None:
    of_countries, of_all = plan(6, countries=frozenset({"DE"})), plan(7)
    case = PlanLookup(BRAND, None, DAY)
    candidates = resolve_plan([of_countries, of_all], case)
    assert [(each.plan.plan_id, each.verdict) for each in candidates] == [
        (7, PlanVerdict.WON),
        (6, PlanVerdict.OTHER_COUNTRY),
    ]


@pytest.mark.parametrize("rung", [*PlanRung][3:])
def test_on_one_rung_the_latest_first_day_wins_and_then_the_newest_plan(rung: PlanRung) -> None:
    model = LADDER[list(PlanRung).index(rung)]
    same = {"merchant_id": model.merchant_id, "countries": model.countries}
    plans = [
        plan(10, starts_on=date(2026, 3, 1), **same),
        plan(11, starts_on=date(2026, 5, 1), **same),
        plan(12, starts_on=date(2026, 5, 1), **same),
        plan(13, starts_on=date(2026, 7, 1), **same),
    ]
    for order in permutations(plans):
        candidates = resolve_plan(order, CASE)
        assert [(each.plan.plan_id, each.verdict) for each in candidates] == [
            (12, PlanVerdict.WON),
            (11, PlanVerdict.OLDER_PLAN),
            (10, PlanVerdict.OLDER_START),
            (13, PlanVerdict.NOT_STARTED),
        ]


def test_without_plans_nothing_wins() -> None:
    assert resolve_plan([], CASE) == []
    assert winner([]) is None


_PLANS = st.lists(
    st.builds(
        Plan,
        plan_id=st.integers(1, 9),
        name=st.just("p"),
        merchant_id=st.sampled_from([None, BRAND, OTHER]),
        countries=st.frozensets(st.sampled_from(["DE", "FR"])),
        starts_on=st.sampled_from([date(2026, 1, 1), DAY, date(2027, 1, 1)]),
        currency=st.just("USD"),
        active=st.booleans(),
    ),
    unique_by=lambda each: each.plan_id,
)


@given(_PLANS, st.randoms(use_true_random=False), st.sampled_from(["DE", None]))
@settings(deadline=None)
def test_the_order_of_plans_never_matters_and_the_winner_always_applies(
    plans: list[Plan], random: Any, country: str | None
) -> None:
    case = CASE._replace(country=country)
    expected = resolve_plan(plans, case)
    random.shuffle(plans)
    assert resolve_plan(plans, case) == expected
    won = [each for each in expected if each.verdict is PlanVerdict.WON]
    applying = [
        each
        for each in plans
        if each.active
        and each.merchant_id in (None, BRAND)
        and (not each.countries or country in each.countries)
        and each.starts_on <= DAY
    ]
    assert len(won) == min(1, len(applying))
    assert all(each.plan in applying for each in won)
