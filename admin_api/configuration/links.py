"""Links: a slug on a profile's domain, and the destination it leads to."""

from __future__ import annotations

import re
import secrets
from functools import partial
from typing import Annotated

from psycopg.errors import UniqueViolation
from pydantic import Field, WithJsonSchema

from admin_api.configuration.link_filter import LinkFilter, Tag
from admin_api.http import Body, ConflictError, DestinationUrl, Matching, ObjectId, Text, Values, checked
from admin_api.money import missing_plan
from admin_api.resources import Addresses, Created, Reference, Resource, insert, refuse_archived
from admin_api.routing import RoutingFields, prepared_routing, refuse_link_loop, shown_like
from admin_api.runtime import Database, Row
from config.configuration import link_key
from tracking.runtime import FieldError

# The letters and digits without 0 O o 1 l I, which people misread. 7 of 56 characters make 1.7e12 slugs.
SLUG_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
SLUG_CHARACTERS = 7
SLUG_ATTEMPTS = 10
_SLUG_CONSTRAINT = "links_profile_id_slug_key"
Slug = Annotated[
    str, Matching("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "1 to 64 letters, digits, - or _, a letter or digit first")
]
SubId = Annotated[str, Text(500, shortest=0)]
TAGS_MAX = 50
NOTES_CHARACTERS_MAX = 2000
NOTES_LINES_MAX = 50
_NOTES_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


_REFERENCES = (
    Reference("profile_id", "profile", "profiles", "profile_id"),
    Reference("merchant_id", "merchant", "merchants", "merchant_id"),
    Reference("source_id", "source", "sources", "source_id"),
    Reference("plan_id", "commission plan", "commission_plans", "plan_id"),
)


def _check_tags(tags: list[str], field: str) -> list[str]:
    return sorted(set(tags))


def _check_notes(notes: str, field: str) -> str:
    """Return notes with line breaks as `\\n`. Raises FieldError."""
    lines = notes.replace("\r\n", "\n").strip()
    if _NOTES_CONTROL.search(lines):
        raise FieldError(field, f"{field} has a control character other than tabs and line breaks; remove it")
    if len(lines) > NOTES_CHARACTERS_MAX or lines.count("\n") >= NOTES_LINES_MAX:
        raise FieldError(field, f"{field} may have {NOTES_CHARACTERS_MAX} characters on {NOTES_LINES_MAX} lines")
    return lines


Tags = Annotated[list[Tag], Field(max_length=TAGS_MAX), checked(_check_tags)]
Notes = Annotated[
    str,
    checked(_check_notes),
    WithJsonSchema(
        {"type": "string", "maxLength": NOTES_CHARACTERS_MAX, "pattern": r"^([^\x00-\x08\x0b-\x1f\x7f]|\r\n)*$"}
    ),
]


class LinkFields(Body):
    """What a client may set of a link."""

    name: Annotated[str, Text(200)] | None = None
    """The name that operators use. A new link without a name gets its slug as its name."""
    profile_id: ObjectId | None = None
    """The profile whose domain the link is on. Without one it answers on every host, and clicks are not recorded."""
    merchant_id: ObjectId
    """The merchant who pays for its conversions."""
    source_id: ObjectId | None = None
    """The source of its traffic, which earns its commissions."""
    plan_id: ObjectId | None = None
    """Its commission plan, which comes before the plan of its profile or merchant."""
    destination_url: DestinationUrl
    """The URL that it leads to. Macros such as `{click_id}` and `{sub1}` are filled in, percent-encoded."""
    slug: Slug | None = None
    """The last part of its public URL. A new link without a slug gets a random one."""
    routing: RoutingFields | None = None
    """Its rules, which come before `destination_url`. Null means that every click goes there."""
    active: bool = True
    """Whether it is active. A link that is switched off goes to its profile's fallback URL, or answers 404."""
    sub1: SubId | None = None
    """The value of `sub1` when a click brings none. The other nine work in the same way."""
    sub2: SubId | None = None
    sub3: SubId | None = None
    sub4: SubId | None = None
    sub5: SubId | None = None
    sub6: SubId | None = None
    sub7: SubId | None = None
    sub8: SubId | None = None
    sub9: SubId | None = None
    sub10: SubId | None = None
    tags: Tags = []
    """Words to find it by. They are stored in small letters, sorted and without repetition."""
    notes: Notes = ""
    """What operators should know about it."""


def mint_slug() -> str:
    """Return a random slug."""
    return "".join(secrets.choice(SLUG_ALPHABET) for _ in range(SLUG_CHARACTERS))


def create_link(database: Database, values: Values, addresses: Addresses) -> Created:
    """Insert a link. A slug that was left out is drawn until it is free; a name that was left out becomes the slug."""
    for _ in range(SLUG_ATTEMPTS):
        slug = values["slug"] or mint_slug()
        try:
            with database.transaction():
                return insert(database, LINKS, values | {"slug": slug, "name": values["name"] or slug})
        except UniqueViolation as error:
            if values["slug"] or error.diag.constraint_name != _SLUG_CONSTRAINT:
                raise
    raise ConflictError("no free slug was found; try again or choose one", code="slug-taken", field="slug")


def _prepare(database: Database, values: Values, before: Row | None) -> Values:
    if "routing" not in values:
        return values
    return values | {"routing": prepared_routing(database, values["routing"], before)}


def has_clicks(database: Database, link_id: int) -> bool:
    """Say whether clicks of a link were ever stored. Only such a link can have conversions."""
    found = database.execute("select exists (select from click_days where link_id = %s)", [link_id]).fetchone()
    return found is not None and bool(found["exists"])


def _check(database: Database, row: Row) -> None:
    refuse_link_loop(database, row)
    refuse_archived(database, row, _REFERENCES)


def _missing(name: str, fix: str) -> partial[FieldError]:
    return partial(FieldError, f"{name}_id", f"{name}_id names a {name} that does not exist; {fix}")


LINKS: Resource = Resource(
    singular="link",
    plural="links",
    id_name="link_id",
    description="A slug on a profile's domain, and the destination it leads to.",
    fields=LinkFields,
    filters=LinkFilter,
    generated=("name", "slug"),
    select="select links.*, profiles.domain from links left join profiles using (profile_id)",
    prepare=_prepare,
    check=_check,
    sorts=("name", "slug", "created_at", "updated_at"),
    archivable=True,
    create=create_link,
    in_use="clicks of this link are stored; archive it instead",
    conflicts={
        _SLUG_CONSTRAINT: partial(
            ConflictError, "another link of this profile already has this slug", code="slug-taken", field="slug"
        ),
        "links_profile_id_fkey": _missing("profile", "create it at /v1/profiles, or leave it out"),
        "links_merchant_id_fkey": _missing("merchant", "create it at /v1/merchants"),
        "links_raw_destination": partial(
            FieldError,
            "destination_url",
            "destination_url takes the URL from a parameter, so the profile needs a fallback_url and redirect_hosts",
        ),
        "links_plan_id_fkey": missing_plan("plan_id"),
        "links_source_id_fkey": _missing("source", "create it at /v1/sources, or leave it out"),
        # Deleted while this link was saved.
        "link_rotations_rotation_id_fkey": partial(
            FieldError, "routing", "routing names a rotation that does not exist; create it at /v1/rotations"
        ),
    },
    conflict_codes=("slug-taken",),
    keys=lambda row: [link_key(row["profile_id"], row["slug"])],
    shown_types={
        "routing": Annotated[
            shown_like(RoutingFields) | None,
            Field(description="Its rules, which come before `destination_url`. Null: every click goes there."),
        ],
        "url": Annotated[str, Field(description="Its public URL.")],
    },
    extras=lambda row, addresses: {"url": addresses.link_url(row["domain"], row["slug"])},
    is_needed=has_clicks,
)
