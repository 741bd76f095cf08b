"""The configuration that the data set is of: profiles, merchants, sources, links, event types and exchange rates."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from loadtests.reports.data_set import DataSet
from loadtests.reports.visits import source_of

# The currency of reports, and the other one, which a tenth of all conversions are in. One unit of it is worth RATE.
CURRENCY, FOREIGN = "USD", "EUR"
RATE = 1.1


def profile_of(link: str, data_set: DataSet) -> str:
    """Return SQL for the profile of a link."""
    return f"{link} %% {data_set.profiles} + 1"


def merchant_of(link: str, data_set: DataSet) -> str:
    """Return SQL for the merchant of a link."""
    return f"{link} %% {data_set.merchants} + 1"


def make_scene(connection: Connection[Any], data_set: DataSet) -> None:
    """Write what the operator would have made, with the ids from 1 on."""
    counts = {name: getattr(data_set, name) for name in ("profiles", "merchants", "sources", "links")}
    for statement in _statements(data_set):
        connection.execute(statement, counts)
    for table, key in (("profiles", "profile_id"), ("merchants", "merchant_id"), ("sources", "source_id")):
        _continue(connection, table, key)
    _continue(connection, "links", "link_id")
    connection.execute(
        "insert into exchange_rates (origin, base, quote, rate_date, rate, valid_days)"
        " select 'operator', %s, %s, date '1970-01-01' + day, %s, 7 from generate_series(%s::integer, %s) day",
        [FOREIGN, CURRENCY, RATE, data_set.first_number - 7, data_set.last_number + 2],
    )


def _statements(data_set: DataSet) -> list[str]:
    links = f"""
insert into links (link_id, name, profile_id, merchant_id, source_id, slug, destination_url) overriding system value
select n, 'Link ' || n, {profile_of("n", data_set)}, {merchant_of("n", data_set)},
    nullif({source_of("n", data_set)}, 0), 'link' || n, 'https://merchant.example/offer?clickid={{click_id}}'
from generate_series(1, %(links)s) n
"""
    profiles = """
insert into profiles (profile_id, name, domain) overriding system value
select n, 'Profile ' || n, 'track-' || n || '.example.com' from generate_series(1, %(profiles)s) n
"""
    named = [
        f"insert into {table}s ({table}_id, name) overriding system value"
        f" select n, '{table.capitalize()} ' || n from generate_series(1, %({table}s)s) n"
        for table in ("merchant", "source")
    ]
    return [profiles, *named, links]


def _continue(connection: Connection[Any], table: str, key: str) -> None:
    """Let the next row have the next id."""
    connection.execute(f"select setval(pg_get_serial_sequence('{table}', '{key}'), (select max({key}) from {table}))")
