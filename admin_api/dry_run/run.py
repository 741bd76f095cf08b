"""Tries a draft of rules on stored clicks: reads them, decides each twice, and adds up what differs."""

from __future__ import annotations

from time import monotonic
from typing import LiteralString

from psycopg.errors import QueryCanceled

from admin_api.dry_run.clicks import Wanted, stream_clicks
from admin_api.dry_run.facts import StoredFacts, seed_of
from admin_api.dry_run.objects import (
    ROWS_MAX,
    DryRun,
    DryRunResult,
    show_country,
    show_destination,
    show_revenue,
    show_rule,
)
from admin_api.dry_run.tally import Tally, largest
from admin_api.dry_run.ways import Document, Router, columns_for, fields_of
from admin_api.http import ConflictError
from admin_api.runtime import Database, Row

TOO_MUCH = "too-much"
DEADLINE_S = 25.0
# How many clicks are decided between two looks at the clock.
_CLICKS_PER_LOOK = 1000
# When there are rules of more links than this, they are loaded again.
_LINKS_KEPT = 5000
NOTES = (
    "Caps are not replayed: every destination counts as having capacity left.",
    "Revenue is what the clicks earned where they went; it is no forecast of what they would earn elsewhere.",
)
_SHARED = (
    "{clicks} clicks count with the shares of their destinations by weight, since the choice is random, a destination"
    " is new, or the visitor's address is not stored whole."
)
_LINK: LiteralString = """
    select links.destination_url, links.routing, sources.name as source
    from links left join sources using (source_id) where link_id = %s
"""
_FIELDS_OF_PROFILE: LiteralString = """
    select distinct field #>> '{}' as field
    from links, jsonb_path_query(routing, '$.rules[*].conditions[*].field') as field where profile_id = %s
"""
_ROTATIONS: LiteralString = "select rotation_id, destinations, assignment from rotations"


class _Routers:
    """The present rules and the draft for the clicks of each link."""

    def __init__(self, database: Database, draft: Document | None) -> None:
        self._database = database
        self._draft = draft
        self._rotations = {row["rotation_id"]: row for row in database.execute(_ROTATIONS)}
        self._known: dict[int, tuple[Router, Router, str | None]] = {}

    def of(self, link_id: int) -> tuple[Router, Router, str | None]:
        """Return the routers of the present rules and of the draft, and the name of the link's source."""
        found = self._known.get(link_id)
        if found is None:
            row = self._database.execute(_LINK, [link_id]).fetchone()
            # Its clicks stay when a link is deleted. Then they went nowhere that is known.
            link: Row = row or {"destination_url": f"deleted link {link_id}", "routing": None, "source": None}
            if len(self._known) >= _LINKS_KEPT:
                self._known.clear()
            found = self._known[link_id] = (
                self._router(link["routing"], link),
                self._router(self._draft, link),
                link["source"],
            )
        return found

    def _router(self, document: Document | None, link: Row) -> Router:
        return Router(document, link["destination_url"], self._rotations)


def dry_run(database: Database, link: Row, draft: Document | None, asked: DryRun) -> DryRunResult:
    """Return what a draft of a link's rules would change. `draft` is complete.

    Raises ConflictError if it takes too long.
    """
    by_profile = asked.whole_profile and link["profile_id"] is not None
    wanted = Wanted(link["link_id"], link["profile_id"] if by_profile else None, asked)
    columns = columns_for(fields_of(draft) | _fields(database, wanted, link["routing"]))
    tally = Tally()
    newest = oldest = None
    deadline = monotonic() + DEADLINE_S
    try:
        routers = _Routers(database, draft)
        for link_id, clicked_at, country, converted, *values in stream_clicks(database, wanted, columns):
            newest, oldest = newest or clicked_at, clicked_at
            present, drafted, source = routers.of(link_id)
            click = dict(zip(columns, values, strict=True))
            facts, seed = StoredFacts(click, country, clicked_at, source), seed_of(click, link_id)
            tally.add(present.ways(facts, seed), drafted.ways(facts, seed), country, converted or ())
            if tally.clicks % _CLICKS_PER_LOOK == 0 and monotonic() > deadline:
                raise _too_much(tally.clicks)
    except QueryCanceled as error:
        raise _too_much(tally.clicks) from error
    return DryRunResult(
        clicks=tally.clicks,
        oldest_at=oldest,
        newest_at=newest,
        changed=round(tally.changed, 2),
        rules=[show_rule(each) for each in largest(tally.rules, ROWS_MAX)],
        destinations=[show_destination(each) for each in largest(tally.destinations, ROWS_MAX)],
        countries=[
            show_country(country, figures)
            for country, figures in sorted(tally.countries.items(), key=lambda each: (-each[1].clicks, each[0]))
        ],
        revenue=[
            show_revenue(currency, figures)
            for currency, figures in sorted(tally.revenue.items(), key=lambda each: each[0] or "")
        ],
        notes=[*NOTES, *([_SHARED.format(clicks=tally.shared)] if tally.shared else ())],
    )


def _fields(database: Database, wanted: Wanted, present: Document | None) -> set[str]:
    """Return the fields of the conditions that decide about the clicks now."""
    if wanted.profile_id is None:
        return fields_of(present)
    # The first click may be of any link of the profile.
    return {row["field"] for row in database.execute(_FIELDS_OF_PROFILE, [wanted.profile_id])}


def _too_much(clicks: int) -> ConflictError:
    return ConflictError(
        f"this took too long and was given up after {clicks} clicks; ask for fewer clicks, or for a later `from`",
        code=TOO_MUCH,
    )
