"""Profiles: each is a tracking domain and the way it redirects."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from pydantic import Field

from admin_api.http import Body, ConflictError, Domain, Matching, ObjectId, PlainUrl, RedirectHost, Text
from admin_api.money import missing_plan
from admin_api.resources import Reference, Resource, insert, refuse_archived, refuse_if_named
from admin_api.routing import refuse_profile_loop
from admin_api.runtime import Database, Row
from config.configuration import profile_key

PIXELS_MAX = 20
REDIRECT_HOSTS_MAX = 200
NextHopName = Annotated[str, Matching("[A-Za-z_][A-Za-z0-9_.-]{0,63}", "a name of letters, digits, _ . and -")]


class ProfileFields(Body):
    """What a client may set of a profile."""

    name: Annotated[str, Text(200)]
    """The name that operators use."""
    domain: Domain
    """The tracking domain: a host name such as track.example.com, in any alphabet. Each profile has its own."""
    redirect_type: Literal["301", "302", "js"] = "302"
    """How a click is answered. Browsers remember a 301; `js` is a page that fires the pixels and then redirects."""
    click_expiry_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How old a click may be when it converts. A conversion of an older click is rejected."""
    active: bool = True
    """Whether the profile is active. Links without an active profile redirect, but nothing is recorded."""
    fallback_url: PlainUrl | None = None
    """Where a link leads that is switched off. Without a fallback URL the answer is 404."""
    redirect_hosts: Annotated[list[RedirectHost], Field(max_length=REDIRECT_HOSTS_MAX)] = []
    """Hosts that a URL in a parameter of a click may lead to: names such as shop.example, or *.shop.example."""
    next_hop_parameter: NextHopName | None = None
    """The parameter of clicks that names the next hop, such as redirection_url. Null: links obey no such parameter."""
    pixels: Annotated[list[PlainUrl], Field(max_length=PIXELS_MAX)] = []
    """URLs that the page of `js` fires: as a script if the path ends in `.js`, otherwise as an image."""
    pixel_timeout_ms: Annotated[int, Field(ge=0, le=10_000)] = 300
    """How many milliseconds the page of `js` waits for the pixels."""
    address_storage: Literal["whole", "truncated", "hashed"] = "truncated"
    """What is stored of a visitor's address: all of it, its network (/24, IPv6: /48), or only a keyed hash. A change is
    for clicks that are stored from now on.
    """
    plan_id: ObjectId | None = None
    """The commission plan of links that name no plan of their own."""


def _check(database: Database, row: Row) -> None:
    refuse_profile_loop(database, row)
    refuse_archived(database, row, (Reference("plan_id", "commission plan", "commission_plans", "plan_id"),))


PROFILES: Resource = Resource(
    singular="profile",
    plural="profiles",
    id_name="profile_id",
    description="A tracking domain and how it redirects.",
    fields=ProfileFields,
    select="select * from profiles",
    check=_check,
    sorts=("name", "domain", "created_at", "updated_at"),
    archivable=True,
    refuse_archive=lambda database, row: refuse_if_named(
        database, row["profile_id"], {"links": "from links where profile_id = %s and archived_at is null"}
    ),
    create=lambda database, values, addresses: insert(database, PROFILES, values),
    in_use="links still use this profile; archive them and it instead",
    conflicts={
        "profiles_domain_key": partial(
            ConflictError, "another profile already answers on this domain", code="domain-taken", field="domain"
        ),
        "profiles_plan_id_fkey": missing_plan("plan_id"),
        "profiles_raw_destinations": partial(
            ConflictError,
            "links of this profile take their URL from a parameter; they need a fallback_url and at least one of"
            " redirect_hosts",
            code="raw-destinations",
            field="redirect_hosts",
        ),
    },
    conflict_codes=("domain-taken", "raw-destinations"),
    keys=lambda row: [profile_key(row["domain"])],
)
