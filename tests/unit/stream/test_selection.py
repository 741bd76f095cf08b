"""What a viewer is sent follows from its rights and from what it asked for."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.http import ForbiddenError
from admin_api.runtime import Actor
from admin_api.stream.selection import EventType, Selection, select
from tracking.rights import Right, Role, rights_of
from tracking.runtime import FieldError

CLICK = {"link_id": 1, "profile_id": 2, "merchant_id": 3, "source_id": 4, "country": "DE", "class": "valid"}
CONVERSION = CLICK | {"event": "ftd", "payout_minor": 500, "currency": "USD"}


def actor(role: Role, source_id: int | None = None, **changes: Any) -> Actor:
    return Actor("somebody", 1, None, role, rights_of(role), source_id)._replace(**changes)


def test_an_owner_gets_everything() -> None:
    selection = select(actor(Role.OWNER), {})
    assert selection.types == frozenset(EventType)
    assert selection.takes(EventType.CLICK, CLICK)
    assert selection.shown(EventType.CONVERSION, CONVERSION)["payout_minor"] == 500


def test_a_partner_gets_only_what_belongs_to_its_source() -> None:
    selection = select(actor(Role.PARTNER, source_id=4), {})
    assert selection.types == {EventType.CLICK, EventType.CONVERSION, EventType.ENTRY}
    assert selection.takes(EventType.CLICK, CLICK)
    assert not selection.takes(EventType.CLICK, CLICK | {"source_id": 5})
    assert not selection.takes(EventType.CLICK, CLICK | {"source_id": None})


def test_a_partner_never_sees_revenue() -> None:
    selection = select(actor(Role.PARTNER, source_id=4), {})
    assert {"payout_minor", "currency"}.isdisjoint(selection.shown(EventType.CONVERSION, CONVERSION))
    assert selection.takes(EventType.ENTRY, CONVERSION | {"party": "source"})
    assert not selection.takes(EventType.ENTRY, CONVERSION | {"party": "merchant"})


def test_a_partner_with_the_rights_of_an_owner_still_is_a_partner() -> None:
    selection = select(actor(Role.OWNER, source_id=4), {})
    assert EventType.ISSUE not in selection.types
    assert EventType.LOSS_METER not in selection.types
    assert not selection.takes(EventType.ISSUE, {"merchant_id": 3})
    assert not selection.revenue


def test_without_the_right_to_money_a_conversion_has_none_and_no_entry_is_sent() -> None:
    selection = select(actor(Role.ANALYST), {})
    assert EventType.ENTRY not in selection.types
    assert "payout_minor" not in selection.shown(EventType.CONVERSION, CONVERSION)


@pytest.mark.parametrize(
    ("role", "source_id", "types", "said"),
    [
        (Role.PARTNER, 4, "issue", "not for partners"),
        (Role.PARTNER, 4, "click,loss-meter", "health:read"),
        (Role.ANALYST, None, "entry", "money:read"),
    ],
)
def test_what_is_asked_for_without_the_right_to_it_is_refused(
    role: Role, source_id: int | None, types: str, said: str
) -> None:
    with pytest.raises(ForbiddenError) as refused:
        select(actor(role, source_id), {"types": types})
    assert said in refused.value.message


def test_who_has_none_of_the_rights_is_refused() -> None:
    with pytest.raises(ForbiddenError):
        select(actor(Role.ANALYST, rights=frozenset({Right.REPORTS_READ})), {})


def test_a_filter_counts_for_what_has_its_fact() -> None:
    selection = select(actor(Role.OWNER), {"country": "DE,AT", "link": "1,2", "event": "ftd"})
    assert selection.takes(EventType.CLICK, CLICK)
    assert not selection.takes(EventType.CLICK, CLICK | {"country": "FR"})
    assert not selection.takes(EventType.CLICK, CLICK | {"link_id": 3})
    assert not selection.takes(EventType.CONVERSION, CONVERSION | {"event": "reg"})
    assert selection.takes(EventType.ISSUE, {"kind": "parked-postback"})


@pytest.mark.parametrize(
    "parameters",
    [
        *({"types": "clicks"}, {"types": ""}, {"link": "x"}, {"link": "1,"}, {"link": "9" * 19}, {"country": ""}),
        *({"x": "1"}, {"country": ",".join(["DE"] * 101)}, {"link": "\u0661"}),
    ],
)
def test_parameters_that_mean_nothing_are_named(parameters: dict[str, str]) -> None:
    with pytest.raises(FieldError) as refused:
        select(actor(Role.OWNER), parameters)
    assert refused.value.field == next(iter(parameters))


def test_equal_wishes_of_equal_rights_are_one_selection() -> None:
    asked = {"country": "DE,AT", "types": "click,conversion"}
    turned = {"types": "conversion,click", "country": "AT,DE"}
    assert select(actor(Role.OWNER), asked) == select(actor(Role.OWNER, name="other"), turned)
    assert len({select(actor(Role.OWNER), asked), select(actor(Role.ANALYST), asked)}) == 2


def test_a_selection_can_be_a_key() -> None:
    assert hash(Selection(frozenset({EventType.CLICK}))) == hash(Selection(frozenset({EventType.CLICK})))
