"""Turns rows into what the edge serves: the current value of some served keys, or of all.

The published configuration is a function of the database, key by key; this module is that function.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from typing import Any, LiteralString

from psycopg import sql

from admin_api.configuration.cap_compilation import CAPS, compile_cap
from admin_api.runtime import Database, Row
from config.configuration import (
    NO_PROFILE,
    PublishedAccount,
    PublishedEvents,
    PublishedLink,
    PublishedProfile,
    PublishedToken,
    account_key,
    encode_array,
    encode_published,
    events_key,
    link_key,
    profile_key,
    rotation_key,
)
from config.sealing import unseal
from tracking.clicks import DEFAULT_PREFIX, SUB_NAMES, check_url, compile_destination, with_source_prefix
from tracking.postbacks import MAPPING_NAMES
from tracking.routing import UNREADABLE, compile_plan, compile_rotation
from tracking.runtime import FieldError

Served = tuple[str, bytes | None]

ROWS_PER_FETCH = 2000
_log = logging.getLogger("waypost.compilation")

_PROFILES: LiteralString = "select * from profiles"
_TOKENS: LiteralString = (
    "select token_hash, merchant_id, currency from merchant_tokens join merchants using (merchant_id)"
)
_ACCOUNTS: LiteralString = (
    "select merchants.*, array(select secret from merchant_secrets where merchant_secrets.merchant_id ="
    " merchants.merchant_id order by secret_id) as secrets from merchants"
)
_EVENTS: LiteralString = (
    "select coalesce(array_agg(event order by event), '{}') as events,"
    " coalesce(array_agg(event order by event) filter (where repeatable), '{}') as repeatable from event_types"
    " where active"
)
_ROTATIONS: LiteralString = "select rotation_id, destinations, assignment, revision from rotations"
_LINKS: LiteralString = (
    "select link_id, profile_id, slug, active and links.archived_at is null as active, destination_url, routing,"
    " links.revision, sources.name as source, sources.prefix,"
    " sub1, sub2, sub3, sub4, sub5, sub6, sub7, sub8, sub9, sub10 from links left join sources using (source_id)"
)
# The query has two halves, since no index serves a join on equal-or-both-null.
_LINKS_BY_KEY: LiteralString = (
    "with wanted as (select * from unnest(%s::bigint[], %s::text[]) as key (wanted_profile, wanted_slug))"  # noqa: S608
    f" {_LINKS} join wanted on links.profile_id = wanted_profile and links.slug = wanted_slug"
    f" union all {_LINKS} join wanted on links.profile_id is null and wanted_profile = 0 and links.slug = wanted_slug"
)


def load_served(database: Database, keys: Sequence[str]) -> dict[str, bytes | None]:
    """Return the current value of some served keys, in the given order, or None for a key that is not served."""
    domains = [key[2:] for key in keys if key.startswith("p:")]
    hashes = [key[2:] for key in keys if key.startswith("t:")]
    accounts = [int(key[2:]) for key in keys if key.startswith("a:")]
    links = [key.split(":", 2)[1:] for key in keys if key.startswith("l:")]
    caps = [int(key[2:]) for key in keys if key.startswith("c:")]
    rotations = [int(key[2:]) for key in keys if key.startswith("r:")]
    found: dict[str, bytes | None] = dict.fromkeys(keys)
    if domains:
        rows = database.execute(f"{_PROFILES} where domain = any(%s)", [domains])
        found.update(compile_profile(row) for row in rows)
    if hashes:
        rows = database.execute(f"{_TOKENS} where token_hash = any(%s)", [hashes])
        found.update(compile_token(row) for row in rows)
    if accounts:
        rows = database.execute(f"{_ACCOUNTS} where merchant_id = any(%s)", [accounts])
        found.update(compile_account(row) for row in rows)
    if events_key() in keys:
        found.update(compile_events(row) for row in database.execute(_EVENTS))
    if caps:
        found.update(compile_cap(row) for row in database.execute(f"{CAPS} where cap_id = any(%s)", [caps]))
    if links:
        profile_ids, slugs = [int(profile_id) for profile_id, _ in links], [slug for _, slug in links]
        found.update(compile_link(row) for row in database.execute(_LINKS_BY_KEY, [profile_ids, slugs]))
    if rotations:
        rows = database.execute(f"{_ROTATIONS} where rotation_id = any(%s)", [rotations])
        found.update(compile_rotation_row(row) for row in rows)
    return found


def stream_served(database: Database) -> Generator[tuple[str, bytes], None, None]:
    """Yield all served keys and values from one state, inside a repeatable-read transaction. Memory use is bounded."""
    for name, query, compiled in (
        ("served_profiles", _PROFILES, compile_profile),
        ("served_tokens", _TOKENS, compile_token),
        ("served_accounts", _ACCOUNTS, compile_account),
        ("served_events", _EVENTS, compile_events),
        ("served_caps", CAPS, compile_cap),
        ("served_rotations", _ROTATIONS, compile_rotation_row),
        ("served_links", _LINKS, compile_link),
    ):
        with database.cursor(name=name) as cursor:
            cursor.itersize = ROWS_PER_FETCH
            for row in cursor.execute(sql.SQL(query)):
                key, value = compiled(row)
                if value is not None:
                    yield key, value


def compile_profile(row: Row) -> Served:
    """Return the key and value of a profile."""
    return profile_key(row["domain"]), encode_published(
        PublishedProfile(
            profile_id=row["profile_id"],
            name=row["name"],
            active=row["active"],
            redirect_type=row["redirect_type"],
            fallback_url=next(iter(_good_urls([row["fallback_url"]], row["profile_id"], "fallback_url")), None),
            pixels=_good_urls(row["pixels"], row["profile_id"], "pixels"),
            pixel_timeout_ms=row["pixel_timeout_ms"],
            next_hops=_next_hops(row),
        )
    )


def _next_hops(row: Row) -> list[Any] | None:
    hosts, parameter = row["redirect_hosts"], row["next_hop_parameter"]
    if not hosts and parameter is None:
        return None
    return [hosts, parameter, [unseal(each) for each in row["next_hop_secrets"]]]


def _good_urls(urls: Sequence[str | None], profile_id: int, field: str) -> list[str]:
    """Return the URLs that could be saved today. SECURITY: a row written past the API sends nobody to `javascript:`."""
    good = []
    for url in urls:
        try:
            if url is not None:
                good.append(check_url(url, field))
        except FieldError as error:
            _log.error("profile %s is served without one URL: %s", profile_id, error.message)
    return good


def compile_token(row: Row) -> Served:
    """Return the key and value of a postback token."""
    return f"t:{row['token_hash']}", encode_published(PublishedToken(row["merchant_id"], row["currency"]))


def compile_account(row: Row) -> Served:
    """Return the key and value of a merchant account."""
    return account_key(row["merchant_id"]), encode_published(
        PublishedAccount(
            merchant_id=row["merchant_id"],
            currency=row["currency"],
            authentication=row["postback_auth"],
            networks=row["postback_addresses"],
            rate_per_minute=row["postback_rate_per_minute"],
            secrets=[unseal(each) for each in row["secrets"]],
            mapping={name: row[name] for name in MAPPING_NAMES},
        )
    )


def compile_events(row: Row) -> Served:
    """Return the key and value of the event types in use."""
    return events_key(), encode_published(PublishedEvents(row["events"], row["repeatable"]))


def compile_link(row: Row) -> Served:
    """Return the key and value of a link. The value is None if this release can no longer read its destination."""
    key = link_key(row["profile_id"] or NO_PROFILE, row["slug"])
    try:
        parts = compile_destination(row["destination_url"], "destination_url")
    except FieldError as error:
        # One row that an older release accepted must not stop all others from being published.
        _log.error("link %s is not served: %s", row["link_id"], error.message)
        return key, None
    subs = [row[name] for name in SUB_NAMES]
    prefix = row["prefix"] or DEFAULT_PREFIX
    plan = None if row["routing"] is None else _plan(row, prefix)
    served = with_source_prefix(parts, prefix)
    return key, encode_published(PublishedLink(row["link_id"], row["active"], served, row["source"], subs, plan))


def _plan(row: Row, prefix: str) -> list[Any]:
    """Return a link's rules as they are published. Empty ones cannot be run: the edge sends clicks to the link's own
    destination, and counts them.
    """
    try:
        return compile_plan(row["routing"], row["revision"], prefix)
    except (FieldError, *UNREADABLE) as error:
        _log.error("link %s is served without its rules: %s", row["link_id"], error)
        return []


def compile_rotation_row(row: Row) -> Served:
    """Return the key and value of a rotation. The value is None if this release can no longer read it."""
    key = rotation_key(row["rotation_id"])
    try:
        return key, encode_array(compile_rotation(row["destinations"], row["assignment"], row["revision"]))
    except (FieldError, *UNREADABLE) as error:
        _log.error("rotation %s is not served: %s", row["rotation_id"], error)
        return key, None
