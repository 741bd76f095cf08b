"""Profiles: a tracking domain and how it redirects."""

from __future__ import annotations

from functools import partial

from admin_api.http import ConflictError, Field, choice, domain, flag, object_id, plain_url, plain_urls, text, whole
from admin_api.money import missing_plan
from admin_api.resources import Noun, insert
from config.configuration import profile_key

PROFILES: Noun = Noun(
    singular="profile",
    plural="profiles",
    id_name="profile_id",
    fields=(
        Field("name", text(200)),
        Field("domain", domain),
        Field("redirect_type", choice("301", "302", "js"), default="302"),
        Field("click_expiry_days", whole(1, 3650), default=30),
        Field("active", flag, default=True),
        Field("fallback_url", plain_url, default=None, nullable=True),
        Field("pixels", plain_urls, default=[]),
        Field("pixel_timeout_ms", whole(0, 10_000), default=300),
        Field("plan_id", object_id, default=None, nullable=True),
    ),
    select="select * from profiles",
    create=lambda database, values, addresses: insert(database, PROFILES, values),
    in_use="links still use this profile; set its active to false instead",
    conflicts={
        "profiles_domain_key": partial(
            ConflictError, "another profile already answers on this domain", code="domain-taken", field="domain"
        ),
        "profiles_plan_id_fkey": missing_plan("plan_id"),
    },
    keys=lambda row: [profile_key(row["domain"])],
)
