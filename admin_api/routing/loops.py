"""Refuses loops: a destination on one of our tracking domains that leads back to where it began.

A link leads to everything that a click of it may ever be sent to: its destination, those of its rules, its countries,
its rotations, its overflow, and its profile's fallback, whether they are active now or not. A slug with a macro in it
cannot be followed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple
from urllib.parse import unquote, urlsplit

from admin_api.runtime import Database, Row
from tracking.clicks import check_domain
from tracking.runtime import FieldError

# PostgreSQL's advisory locks are numbers; this one is held from a check to the end of the change that it is for.
LOCK_NUMBER = 0x77617970_6F737403
LINKS_MAX = 1000
_PATH = re.compile(r"/(?:click|route)/([A-Za-z0-9][A-Za-z0-9_-]{0,63})/?")
_LINKS: LiteralString = """
    select l.link_id, l.name, l.profile_id, l.destination_url, l.routing, own.fallback_url, at.ord
    from unnest(%s::text[], %s::text[]) with ordinality as at (host, slug, ord)
    left join profiles asked on asked.domain = at.host
    cross join lateral (
        select * from links where links.slug = at.slug and links.profile_id = asked.profile_id
        union all
        (select * from links where links.slug = at.slug and links.profile_id is null
            and (asked.profile_id is not null or at.host = any('{localhost,127.0.0.1}')))
        limit 1
    ) l
    left join profiles own on own.profile_id = l.profile_id
"""


class Target(NamedTuple):
    """A place that a click may be sent to, and the field that says so."""

    field: str
    url: str


class _Place(NamedTuple):
    """A link of ours by its address, with the field where the way began and the links on the way."""

    host: str
    slug: str
    field: str
    way: tuple[str, ...]


def targets_of_link(row: Row) -> Iterator[Target]:
    """Yield where clicks of a link go by its own row, which has its profile's `fallback_url`."""
    yield Target("destination_url", row["destination_url"])
    if row["fallback_url"] is not None:
        yield Target("profile_id", row["fallback_url"])
    if row["routing"] is not None:
        yield from _urls_within(row["routing"], "routing")


def targets_of_rotation(row: Row) -> Iterator[Target]:
    """Yield where a rotation leads."""
    yield from _urls_within({"destinations": row["destinations"]}, "")


def refuse_link_loop(database: Database, row: Row) -> None:
    """Raise FieldError if a link that was just saved leads back to itself."""
    known = database.execute("select fallback_url from profiles where profile_id = %s", [row["profile_id"]]).fetchone()
    start = {**row, "fallback_url": known and known["fallback_url"]}
    targets = list(targets_of_link(start))
    rotations = list(rotation_uses(row["routing"]))
    if not rotations and not any(map(_address, targets)):
        return
    _hold_still(database)
    targets += _rotation_targets(database, rotations)
    _refuse(database, targets, lambda found: found["link_id"] == row["link_id"], "this link")


class OwnPlaces(NamedTuple):
    """Where our links are: the hosts of our domains, and the rotations that lead to links on them."""

    hosts: Collection[str]
    rotations: Collection[int]

    def may_loop(self, row: Row) -> bool:
        """Say whether a link, which has its profile's `fallback_url`, leads to any link of ours, which is rare."""
        if any(rotation_id in self.rotations for _, rotation_id in rotation_uses(row["routing"])):
            return True
        return any(_leads_to(self.hosts, target) for target in targets_of_link(row))


def load_own_places(database: Database) -> OwnPlaces:
    """Return where our links are now."""
    rows = database.execute("select domain from profiles").fetchall()
    hosts = {"localhost", "127.0.0.1", *(row["domain"] for row in rows)}
    rotations = database.execute("select rotation_id, destinations from rotations").fetchall()
    return OwnPlaces(
        hosts,
        {row["rotation_id"] for row in rotations if any(_leads_to(hosts, each) for each in targets_of_rotation(row))},
    )


def _leads_to(hosts: Collection[str], target: Target) -> bool:
    address = _address(target)
    return address is not None and address[0] in hosts


def refuse_rotation_loop(database: Database, row: Row) -> None:
    """Raise FieldError if a rotation that was just saved leads to a link that uses it."""
    _hold_still(database)
    users = {
        user["link_id"]
        for user in database.execute("select link_id from link_rotations where rotation_id = %s", [row["rotation_id"]])
    }
    if users:
        _refuse(
            database, list(targets_of_rotation(row)), lambda found: found["link_id"] in users, "a link that uses it"
        )


def refuse_profile_loop(database: Database, row: Row) -> None:
    """Raise FieldError if the fallback URL of a profile that was just saved leads to one of its own links.

    Its domain closes a loop too if links led there before it was one of ours; a link's next change finds that.
    """
    target = Target("fallback_url", row["fallback_url"] or "")
    if _address(target) is not None:
        _hold_still(database)
        _refuse(database, [target], lambda found: found["profile_id"] == row["profile_id"], "a link of this profile")


def rotation_uses(routing: Mapping[str, Any] | None) -> Iterator[tuple[str, int]]:
    """Yield where a rule document uses rotations: the field, and the rotation's number."""
    for rule_index, rule in enumerate((routing or {}).get("rules", ())):
        for index, destination in enumerate(rule.get("destinations", ())):
            if destination.get("rotation_id") is not None:
                field = f"routing.rules[{rule_index}].destinations[{index}].rotation_id"
                yield field, destination["rotation_id"]


def _hold_still(database: Database) -> None:
    # RACE: of two changes that close a loop together, the second one sees the first, since it waits for its commit.
    database.execute("select pg_advisory_xact_lock(%s)", [LOCK_NUMBER])


def _refuse(database: Database, targets: Sequence[Target], is_home: Callable[[Row], bool], home: str) -> None:
    """Follow targets through our links, level by level, and raise FieldError where the way leads home."""
    seen: set[int] = set()
    places = list(_places(targets, "", ()))
    while places:
        rows = database.execute(_LINKS, [[place.host for place in places], [place.slug for place in places]]).fetchall()
        ahead: list[_Place] = []
        for row in rows:
            place = places[row["ord"] - 1]
            if is_home(row):
                through = f" through {', then '.join(place.way)}" if place.way else ""
                raise FieldError(
                    place.field,
                    f"{place.field} leads back to {home}{through}, so visitors would go round in a circle",
                    code="loop",
                )
            if row["link_id"] in seen:
                continue
            seen.add(row["link_id"])
            if len(seen) > LINKS_MAX:
                raise FieldError(place.field, f"{place.field} leads through more than {LINKS_MAX} links", code="loop")
            further = [*targets_of_link(row), *_rotation_targets(database, list(rotation_uses(row["routing"])))]
            way = (*place.way, f"link {row['link_id']} “{row['name']}”")
            ahead += _places(further, place.field, way)
        places = ahead


def _places(targets: Sequence[Target], field: str, way: tuple[str, ...]) -> Iterator[_Place]:
    for target in targets:
        address = _address(target)
        if address is not None:
            yield _Place(*address, field or target.field, way)


def _address(target: Target) -> tuple[str, str] | None:
    """Return the host and slug of a URL that looks like a tracking link, or None."""
    split = urlsplit(target.url)
    found = _PATH.fullmatch(unquote(split.path))
    if found is None or not split.hostname:
        return None
    try:
        return check_domain(split.hostname, "host"), found[1]
    except FieldError:
        return None


def _rotation_targets(database: Database, uses: Sequence[tuple[str, int]]) -> list[Target]:
    if not uses:
        return []
    fields = {rotation_id: field for field, rotation_id in uses}
    query = "select rotation_id, destinations from rotations where rotation_id = any(%s)"
    rows = database.execute(query, [list(fields)])
    return [Target(fields[row["rotation_id"]], url) for row in rows for _, url in targets_of_rotation(row)]


def _urls_within(document: Mapping[str, Any], within: str) -> Iterator[Target]:
    """Yield every URL of a rule document or of a part of it."""
    for name, value in document.items():
        field = f"{within}.{name}" if within else name
        if name in ("url", "overflow_url"):
            if value is not None:
                yield Target(field, value)
        elif name == "countries":
            yield from (Target(f"{field}.{country}", url) for country, url in value.items())
        elif name in ("rules", "destinations"):
            for index, entry in enumerate(value):
                yield from _urls_within(entry, f"{field}[{index}]")
