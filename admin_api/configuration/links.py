"""Links: a slug on a profile's domain, and the destination it leads to."""

from __future__ import annotations

import secrets
from functools import partial

from psycopg.errors import UniqueViolation

from admin_api.http import ConflictError, Field, Values, destination, flag, matching, object_id, text
from admin_api.money import missing_plan
from admin_api.resources import Addresses, Created, Noun, insert
from admin_api.runtime import Database
from config.configuration import link_key
from tracking.clicks import SUB_NAMES
from tracking.runtime import FieldError

# Without 0 O o 1 l I, which people misread. 7 of 56 characters are 1.7e12 slugs.
SLUG_ALPHABET = "23456789abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"
SLUG_CHARACTERS = 7
SLUG_ATTEMPTS = 10
_SLUG_CONSTRAINT = "links_profile_id_slug_key"


def mint_slug() -> str:
    """Return a random slug."""
    return "".join(secrets.choice(SLUG_ALPHABET) for _ in range(SLUG_CHARACTERS))


def create_link(database: Database, values: Values, addresses: Addresses) -> Created:
    """Insert a link. A slug that was not chosen is drawn until it is free; a name that was not given is the slug."""
    for _ in range(SLUG_ATTEMPTS):
        slug = values["slug"] or mint_slug()
        try:
            with database.transaction():
                return insert(database, LINKS, values | {"slug": slug, "name": values["name"] or slug})
        except UniqueViolation as error:
            if values["slug"] or error.diag.constraint_name != _SLUG_CONSTRAINT:
                raise
    raise ConflictError("no free slug was found; try again or choose one", code="slug-taken", field="slug")


def has_clicks(database: Database, link_id: int) -> bool:
    """Whether clicks of a link were ever stored; conversions only exist for such."""
    found = database.execute("select exists (select from click_days where link_id = %s)", [link_id]).fetchone()
    return found is not None and bool(found["exists"])


def _missing(name: str, fix: str) -> partial[FieldError]:
    return partial(FieldError, f"{name}_id", f"{name}_id names a {name} that does not exist; {fix}")


LINKS: Noun = Noun(
    singular="link",
    plural="links",
    id_name="link_id",
    fields=(
        Field("name", text(200), generated=True),
        Field("profile_id", object_id, default=None, nullable=True),
        Field("merchant_id", object_id),
        Field("source_id", object_id, default=None, nullable=True),
        Field("plan_id", object_id, default=None, nullable=True),
        Field("destination_url", destination),
        Field(
            "slug",
            matching("[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "1 to 64 letters, digits, - or _, a letter or digit first"),
            generated=True,
        ),
        Field("active", flag, default=True),
        *(Field(name, text(500, shortest=0), default=None, nullable=True) for name in SUB_NAMES),
    ),
    select="select links.*, profiles.domain from links left join profiles using (profile_id)",
    create=create_link,
    in_use="clicks of this link are stored; set its active to false instead",
    conflicts={
        _SLUG_CONSTRAINT: partial(
            ConflictError, "another link of this profile already has this slug", code="slug-taken", field="slug"
        ),
        "links_profile_id_fkey": _missing("profile", "create it at /v1/profiles, or leave it out"),
        "links_merchant_id_fkey": _missing("merchant", "create it at /v1/merchants"),
        "links_plan_id_fkey": missing_plan("plan_id"),
        "links_source_id_fkey": _missing("source", "create it at /v1/sources, or leave it out"),
    },
    keys=lambda row: [link_key(row["profile_id"], row["slug"])],
    extras=lambda row, addresses: {"url": addresses.link_url(row["domain"], row["slug"])},
    is_needed=has_clicks,
)
