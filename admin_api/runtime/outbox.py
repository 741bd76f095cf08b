"""SQL of the outbox and of the publication row. They say what has changed, and what is known to be in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from admin_api.runtime.connections import Database

CHANNEL = "waypost_outbox"
# A source's links are split into rows of this many keys, so that each round is short and other changes get a turn.
KEYS_PER_ROW = 10


class Publication(NamedTuple):
    """What Redis should hold: `epoch`, at a version from `published_version` to `version`, which was claimed last."""

    epoch: str
    version: int
    published_version: int


class Pending(NamedTuple):
    """Outbox rows that were read, and the served keys they name, without repetition."""

    change_ids: list[int]
    keys: list[str]


def save_change(database: Database, keys: Sequence[str], source_id: int | None = None) -> None:
    """Note inside the caller's transaction that served keys, or all links of a source, may have changed."""
    if keys or source_id is not None:
        # This row is written after the change, so a change that had to wait for another's commit gets a later row.
        database.execute("insert into outbox (keys, source_id) values (%s, %s)", [list(keys), source_id])
        database.execute("select pg_notify(%s, '')", [CHANNEL])


def save_bulk_change(database: Database, keys: Iterable[str]) -> None:
    """Note inside the caller's transaction that many served keys may have changed. Single changes are more urgent."""
    parts = iter(dict.fromkeys(keys))
    rows = iter(lambda: list(islice(parts, KEYS_PER_ROW)), [])
    with database.cursor().copy("copy outbox (keys, is_bulk) from stdin") as copy:
        copy.set_types(["text[]", "bool"])
        for row in rows:
            copy.write_row([row, True])
    database.execute("select pg_notify(%s, '')", [CHANNEL])


def expand_sources(database: Database) -> None:
    """Replace the rows that name a source by rows with the keys of its links.

    RACE: this is not done when a source changes, since a link may join it in a transaction that commits before.
    The key is config.configuration.published.link_key, written in SQL.
    """
    database.execute(
        """
        with named as (delete from outbox where source_id is not null returning source_id, keys),
        numbered as (
            select 'l:' || coalesce(links.profile_id, 0) || ':' || links.slug as key,
                row_number() over (order by links.link_id) / %s as part
            from links where links.source_id in (select source_id from named)
        )
        insert into outbox (keys, is_bulk) select array_agg(key), true from numbered group by part
        union all select keys, false from named where cardinality(keys) > 0
        """,
        [KEYS_PER_ROW],
    )


def load_pending(database: Database, limit: int) -> Pending:
    """Return the most urgent outbox rows. Their order does not matter: a key is published in its current state."""
    rows = database.execute(
        "select change_id, keys from outbox where source_id is null order by is_bulk, change_id limit %s", [limit]
    ).fetchall()
    return Pending([row["change_id"] for row in rows], list(dict.fromkeys(key for row in rows for key in row["keys"])))


def load_outbox_length(database: Database) -> int:
    """Return how many changes wait to be published."""
    row = database.execute("select count(*) as length from outbox").fetchone()
    assert row is not None
    return int(row["length"])


def load_publication(database: Database) -> Publication:
    """Return what Redis should hold."""
    row = database.execute("select epoch, version, published_version from publication").fetchone()
    assert row is not None
    return Publication(**row)


def claim_versions(database: Database, count: int) -> int:
    """Claim `count` versions and return the first. The claim is committed before any of them is used."""
    row = database.execute(
        "update publication set version = version + %(count)s returning version - %(count)s + 1 as first",
        {"count": count},
    ).fetchone()
    assert row is not None
    return int(row["first"])


def save_epoch(database: Database, epoch: str) -> None:
    """Begin an epoch. Until Redis holds something of it, nothing that Redis holds may be built upon."""
    database.execute("update publication set epoch = %s", [epoch])


def save_published(database: Database, version: int, change_ids: Sequence[int] | None) -> None:
    """Note that Redis holds a version, and delete the outbox rows it covers; None covers all that are visible here."""
    with database.transaction():
        if change_ids is None:
            database.execute("delete from outbox")
        else:
            database.execute("delete from outbox where change_id = any(%s)", [list(change_ids)])
        database.execute("update publication set published_version = %s, published_at = now()", [version])
