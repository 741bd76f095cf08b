"""Row rules in PostgreSQL itself: what a partner's role finds in each table, whatever it asks."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from config.database import GRANTS_FILE
from two_sources import TwoSources

# What each table holds for source 1 in the world of two sources.
OWN_ROWS = {
    "sources": 1,
    "links": 1,
    "clicks": 1,
    "conversions": 1,
    "conversion_changes": 1,
    "postbacks": 1,
    "bookings": 1,
    "entries": 1,
    "payouts": 1,
    "outgoing_postbacks": 1,
    "deliveries": 1,
    "report_click_rows": 1,
}

KEPT = ("audit_log", "entries", "conversion_changes", "link_versions", "rotation_versions", "link_history")


def as_partner(world: TwoSources, source_id: int, query: str) -> list[dict[str, object]]:
    """Run a query as a partner of a source would, and take everything back."""
    with world.database.transaction(force_rollback=True):
        world.database.execute(
            "select set_config('role', 'waypost_partner', true), set_config('waypost.source_id', %s, true)",
            [str(source_id)],
        )
        return world.database.execute(query).fetchall()


@pytest.mark.parametrize("table", OWN_ROWS)
def test_a_partner_finds_its_own_rows_and_no_others(world: TwoSources, table: str) -> None:
    found = {source: as_partner(world, source, f"select * from {table}") for source in (1, 2, 3)}
    assert {source: len(rows) for source, rows in found.items()} == {1: OWN_ROWS[table], 2: OWN_ROWS[table], 3: 0}
    assert found[1] != found[2]


def test_without_a_source_a_partner_finds_nothing(world: TwoSources) -> None:
    with world.database.transaction(force_rollback=True):
        world.database.execute("select set_config('role', 'waypost_partner', true)")
        assert world.database.execute("select from links").fetchall() == []
        assert world.database.execute("select from clicks").fetchall() == []


@pytest.mark.parametrize("table", ["issues", "link_versions", "postback_judgements", "replays", "rotation_versions"])
def test_what_the_operator_notes_about_clicks_is_empty_to_a_partner(world: TwoSources, table: str) -> None:
    assert as_partner(world, 1, f"select * from {table}") == []


def test_a_click_belongs_to_the_source_that_the_link_had_when_it_came(world: TwoSources) -> None:
    link_id = world.owned[1]["link_id"]
    click = "select count(*) as found from clicks"
    with world.database.transaction(force_rollback=True):
        # The link is another's now, goes back, and is another's again: every click stays where it came.
        for until, source in (("2026-01-01", 2), ("2027-01-01", 1), ("2028-01-01", 2)):
            world.database.execute(
                "insert into link_history (link_id, until, merchant_id, source_id) values (%s, %s, 1, %s)",
                [link_id, until, source],
            )
        world.database.execute("alter table links disable trigger all")
        world.database.execute("update links set source_id = 2 where link_id = %s", [link_id])
        assert as_partner(world, 1, click) == [{"found": 1}]
        assert as_partner(world, 2, click) == [{"found": 1}]
        world.database.execute(
            "update link_history set source_id = 2 where link_id = %s and until > '2026-06-01'", [link_id]
        )
        assert as_partner(world, 1, click) == [{"found": 0}]
        assert as_partner(world, 2, click) == [{"found": 2}]


def test_a_partner_writes_nothing_for_another_source(world: TwoSources) -> None:
    made = (
        "insert into outgoing_postbacks (name, source_id, url, secrets)"
        " values ('xx', {}, 'https://x.example', '{{x}}') returning 1"
    )
    assert len(as_partner(world, 1, made.format(1))) == 1
    for source in ("2", "null"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            as_partner(world, 1, made.format(source))
    assert as_partner(world, 1, "update outgoing_postbacks set name = 'yy' where source_id = 2 returning 1") == []
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_partner(world, 1, "update outgoing_postbacks set source_id = 2 returning 1")
    assert as_partner(world, 1, "delete from outgoing_postbacks where source_id = 2 returning 1") == []


@pytest.mark.parametrize(
    "query",
    [
        "select secret from merchant_secrets",
        "select next_hop_secrets from profiles",
        "select default_plan_id from merchants",
        "select * from commission_plans",
        "select * from erasures",
        "select * from audit_log",
        "update links set active = false returning 1",
        "update entries set payout_id = null returning 1",
        "update users set role = 'owner' returning 1",
        "update users set source_id = 2 returning 1",
        "insert into entries (party) values ('source') returning 1",
    ],
)
def test_what_is_no_business_of_a_partner_is_not_even_granted(world: TwoSources, query: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_partner(world, 1, query)


def test_every_table_that_a_partner_reads_has_row_rules(world: TwoSources) -> None:
    """Of those that have none, each says only how far reports are kept, or is public."""
    rows = world.database.execute(
        "select relname from pg_class where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p')"
        " and not relispartition and not relrowsecurity and has_any_column_privilege('waypost_partner', oid, 'select')"
    )
    assert {row["relname"] for row in rows} <= {
        "event_types",
        "exchange_rates",
        "report_conversion_queue",
        "report_days",
        "report_gaps",
        "report_marks",
        "report_queue",
        "report_state",
        "retention_drops",
    }


def test_every_table_is_decided_upon(world: TwoSources) -> None:
    rows = world.database.execute(
        "select relname from pg_class where relnamespace = current_schema()::regnamespace"
        " and relkind in ('r', 'p') and not relispartition and not has_table_privilege('waypost_admin', oid, 'select')"
    )
    assert [row["relname"] for row in rows] == [], f"add them to {GRANTS_FILE.name}"


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        (table, statement)
        for table in (
            "audit_log",
            "entries",
            "conversion_changes",
            "link_versions",
            "rotation_versions",
            "link_history",
        )
        for statement in ("update {} set {} = {}", "delete from {}", "truncate {}")
    ],
)
def test_the_admins_own_role_cannot_change_what_is_kept(world: TwoSources, table: str, statement: str) -> None:
    row = world.database.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and attidentity <> 'a'"
        " and attname not in ('payout_id', 'locked') order by attnum limit 1",
        [table],
    ).fetchone()
    assert row is not None
    names = [sql.Identifier(table), sql.Identifier(row["attname"]), sql.Identifier(row["attname"])]
    changed = sql.SQL("set role waypost_admin; ") + sql.SQL(statement).format(*names)
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            world.database.execute(changed)
    finally:
        world.database.execute("reset role")


def test_the_admin_finds_everything_by_the_same_plan_as_the_owner(world: TwoSources) -> None:
    """A policy that lets everything pass costs nothing: no filter, and every index can be used."""
    query = (
        "explain (costs off) select * from clicks where link_id = 1 and clicked_at > '2026-01-01' and query like 'a%'"
    )
    with world.database.transaction(force_rollback=True):
        owners = world.database.execute(query).fetchall()
        world.database.execute("set local role waypost_admin")
        assert world.database.execute(query).fetchall() == owners
