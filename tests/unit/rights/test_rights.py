"""Roles and rights: what each role holds, and that granting is compared right by right."""

from __future__ import annotations

import pytest

from tracking.rights import RIGHTS_OF_ROLE, Right, Role, missing_rights, rights_of


def test_every_role_has_rights_and_only_an_owner_has_all() -> None:
    assert set(RIGHTS_OF_ROLE) == set(Role)
    assert [role for role in Role if rights_of(role) == frozenset(Right)] == [Role.OWNER]


def test_a_manager_neither_changes_people_nor_reads_the_audit_log() -> None:
    assert missing_rights(rights_of(Role.MANAGER), Right) == [Right.PEOPLE_WRITE, Right.AUDIT_READ]


@pytest.mark.parametrize("sees_money", [True, False])
def test_an_analyst_only_reads_and_sees_money_only_if_the_user_may(sees_money: bool) -> None:
    held = rights_of(Role.ANALYST, sees_money=sees_money)
    assert all(right.endswith(":read") for right in held)
    assert (Right.MONEY_READ in held) is sees_money


def test_sees_money_gives_a_partner_nothing_more() -> None:
    assert rights_of(Role.PARTNER, sees_money=True) == rights_of(Role.PARTNER, sees_money=False)


def test_a_partner_writes_nothing_but_its_outgoing_postbacks_and_its_reports() -> None:
    written = {right for right in rights_of(Role.PARTNER) if right.endswith(":write")}
    assert written == {Right.OUTGOING_WRITE, Right.REPORTS_WRITE}


@pytest.mark.parametrize("right", Right)
def test_a_right_is_an_area_and_what_is_done_with_it(right: Right) -> None:
    area, _, action = right.partition(":")
    assert area.isidentifier()
    assert action in ("read", "write")
