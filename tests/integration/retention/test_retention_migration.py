"""What was stored before stays, as one partition of each table, and what came after has months of its own."""

from __future__ import annotations

import psycopg
import pytest

from config.database import migration_files

TABLES = {
    "postbacks": "received_at",
    "postback_nonces": "received_at",
    "postback_judgements": "judged_at",
    "deliveries": "planned_at",
    "delivery_attempts": "started_at",
}
_FILL = """
    insert into profiles (name, domain) values ('p', 'track.example.com');
    insert into merchants (name) values ('m');
    insert into links (name, profile_id, merchant_id, slug, destination_url) values ('l', 1, 1, 'abc', 'https://m.example/');
    insert into conversions (click_id, merchant_id, link_id, event, status, authenticated, clicked_at, received_at)
        values (gen_random_uuid(), 1, 1, 'ftd', 'approved', true, now(), now());
    insert into postbacks (postback_id, received_at, route, method, host, query, content_type, body, user_agent,
            authenticated, answered, outcome, conversion_id, spool_id, spool_number)
        select gen_random_uuid(), now() + make_interval(days => day), '', 'GET', 'h', '', '', '', '', true, 200,
            case when day = 0 then 'parked' else 'recorded' end, (select conversion_id from conversions),
            '7-0-3fa9c1d2-postbacks', row_number() over () from generate_series(-500, 40) as day;
    insert into replays (filter, dry) values ('{}', false);
    insert into postback_judgements (replay_id, postback_id, changed, before, after)
        select 1, postback_id, false, '{}', '{}' from postbacks limit 10;
    insert into postback_nonces select 1, 'n' || day, gen_random_uuid(), now() - make_interval(days => day)
        from generate_series(0, 100) as day;
    insert into outgoing_postbacks (name, url, secrets) values ('out', 'https://p.example/', '{s}');
    insert into deliveries (outgoing_postback_id, change_id, conversion_id, event, facts)
        select 1, change_id, conversion_id, 'ftd', '{}' from conversion_changes;
    insert into delivery_attempts (delivery_id, attempt) select delivery_id, 1 from deliveries;
"""


@pytest.fixture
def migrated(database_url: str) -> psycopg.Connection:
    """Return a connection to a schema that was filled before the migration."""
    connection = psycopg.connect(database_url, autocommit=True)
    connection.execute("create schema before")
    connection.execute("set search_path to before")
    files = migration_files()
    at = next(number for number, file in enumerate(files) if file.stem.endswith("_retention"))
    for file in files[:at]:
        connection.execute(file.read_bytes())
    connection.execute(_FILL)
    for file in files[at:]:
        with connection.transaction():
            connection.execute(file.read_bytes())
    return connection


_PARTS = (
    "select partition_name, nullif(begins_at, '-infinity') as begins, ends_at from partitions_of(%s) order by begins_at"
)


def one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_every_row_stays_and_the_newest_decides_where_the_months_begin(migrated: psycopg.Connection) -> None:
    with migrated:
        for table, counted in (("postbacks", 541), ("postback_nonces", 101), ("postback_judgements", 10)):
            assert one(migrated, f"select count(*) from {table}") == counted
            assert one(migrated, f"select count(*) from {table}_old") == counted
        for table, moment in TABLES.items():
            parts = migrated.execute(_PARTS, [table]).fetchall()
            assert parts[0][0] == f"{table}_old"
            assert len(parts) == 4
            assert one(migrated, f"select max({moment}) from {table}") < parts[0][2]
            # One month ends where the next begins.
            assert [ends for _, _, ends in parts[:-1]] == [begins for _, begins, _ in parts[1:]]


def test_what_the_rows_need_of_each_other_is_kept(migrated: psycopg.Connection) -> None:
    with migrated:
        assert one(migrated, "select sum(postbacks) from postback_days") == 541
        # Judgements are numbered on.
        migrated.execute(
            "insert into postback_judgements (replay_id, postback_id, changed, before, after)"
            " values (1, gen_random_uuid(), false, '{}', '{}')"
        )
        assert one(migrated, "select max(judgement_id) from postback_judgements") == 11
        migrated.execute("update postbacks set outcome = 'refused' where outcome = 'parked'")
        assert one(migrated, "select count(*) from postbacks where judged_at is not null") == 1
        migrated.execute("delete from outgoing_postbacks")
        assert one(migrated, "select count(*) from deliveries") == 0
        assert one(migrated, "select count(*) from delivery_attempts") == 0


def test_a_stored_postback_is_counted_whatever_becomes_of_its_row(migrated: psycopg.Connection) -> None:
    with migrated:
        insert = (
            "insert into postbacks (postback_id, received_at, route, method, host, query, content_type, body,"
            " user_agent, authenticated, answered, outcome, spool_id, spool_number)"
            " values ('01a1165b-0000-7000-8000-000000000000', '2026-11-25', '', 'GET', 'h', '', '', '', '', true, 200,"
            " 'refused', '7-1-3fa9c1d2-postbacks', 1) on conflict (postback_id, received_at) do nothing"
        )
        migrated.execute(insert)
        migrated.execute(insert)
        assert one(migrated, "select sum(postbacks) from postback_days") == 542
        migrated.execute("delete from postbacks")
        assert one(migrated, "select sum(postbacks) from postback_days") == 542


@pytest.mark.parametrize("day", ["2031-05-17", "2031-05-01"])
def test_a_month_gets_its_partition_once(migrated: psycopg.Connection, day: str) -> None:
    with migrated:
        assert one(migrated, "select make_month_partition('postbacks', '2031-05-01')") is True
        assert one(migrated, "select make_month_partition('postbacks', '2031-05-01')") is False
        assert one(migrated, "select make_month_partition('postbacks', '2020-05-01')") is False
        migrated.execute("insert into postback_nonces select 1, 'x', gen_random_uuid(), now()")
        found = migrated.execute(
            "select partition_name from partitions_of('postbacks') where begins_at <= %(day)s and ends_at > %(day)s",
            {"day": f"{day} 00:00+00"},
        ).fetchall()
        assert found == [("postbacks_203105",)]


def test_a_worker_of_the_release_before_waits_and_sets_nothing_aside(migrated: psycopg.Connection) -> None:
    with migrated:
        with pytest.raises(psycopg.errors.InvalidColumnReference) as error:
            migrated.execute(
                "insert into postback_nonces select 1, 'x', gen_random_uuid(), now()"
                " on conflict (merchant_id, nonce) do nothing"
            )
        # What it would write then is refused like a server that is away, so that it begins its batch again.
        with pytest.raises(psycopg.OperationalError):
            migrated.execute(
                "insert into poison_records (spool_id, spool_number, payload, reason) values ('s', 1, '', %s)",
                [f"refused-by-postgresql: {error.value}"],
            )
        with pytest.raises(psycopg.OperationalError):
            migrated.execute(
                "select open_issue('booking-failed', 'x', 'x', jsonb_build_object('error', %s::text),"
                " null, null, null, null)",
                [str(error.value)],
            )
        migrated.execute("insert into poison_records values ('s', 1, '', 'bad-field: x')")
