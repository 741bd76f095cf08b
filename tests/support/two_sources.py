"""Two sources with everything that can belong to one, and a caller of each role with a token of its own.

Amounts tell whose they are: merchants pay 77.77 for what source 1 brought and 88.88 for source 2; the sources earn
11.11 and 22.22 of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from falcon.testing import Result
from psycopg.types.json import Jsonb

from admin_api.runtime import Database
from admin_client import CLICK_ID_KEYS, AdminClient, admin_client, connect
from config.configuration import hash_token
from tracking.clicks import ClickIdMint, ProcessIdentity
from tracking.outgoing import sample_facts

# 2026-10-30.
CLICKED_AT_MS = 1_793_361_600_000
_DAY_MS = 86_400_000
PAID_BY_MERCHANT = {1: 7777, 2: 8888}
EARNED = {1: 1111, 2: 2222}
_OF_A_SOURCE = """
    with link as (
        insert into links (name, profile_id, merchant_id, source_id, slug, destination_url, notes)
        values ('link of ' || %(source)s, 1, 1, %(source)s, 'slug' || %(source)s, 'https://m.example/', 'a secret note')
        returning link_id
    ), click as (
        insert into clicks (click_id, clicked_at, link_id, profile_id, config_version, class, method, host, slug, query,
            parameters, user_agent, referrer, accept_language, location, spool_id, spool_number, cost)
        select %(click)s, to_timestamp(%(at_ms)s / 1000.0), link_id, 1, 1, 'valid', 'GET', 'track.example.com',
            'slug' || %(source)s, 'cost=66.66', '{"cost": "66.66"}', 'Firefox', '', '', 'https://m.example/', 's',
            %(source)s, 66.66
        from link returning click_id, link_id, clicked_at
    ), conversion as (
        insert into conversions (click_id, merchant_id, link_id, event, status, payout_minor, currency, authenticated,
            clicked_at, received_at)
        select click_id, 1, link_id, 'ftd', 'approved', %(payout)s, 'USD', true, clicked_at, clicked_at from click
        returning conversion_id
    ), postback as (
        insert into postbacks (postback_id, received_at, route, method, host, query, content_type, body, user_agent,
            merchant_id, authenticated, click_id, event, payout_minor, currency, answered, outcome, conversion_id,
            spool_id, spool_number)
        select gen_random_uuid(), clicked_at, '/postback/{token}', 'GET', 'track.example.com', 'payout=' || %(payout)s,
            '', '', 'm', 1, true, click_id, 'ftd', %(payout)s, 'USD', 200, 'recorded', conversion_id, 's', %(source)s
        from click, conversion
    ), booking as (
        insert into bookings (conversion_id, source_id, commission, payout_schedule, hold_days, commission_minor,
            currency)
        select conversion_id, %(source)s, 'cpa', 'monthly', 0, %(earned)s, 'USD' from conversion
    ), payout as (
        insert into payouts (source_id, currency, payout_schedule, period_ends_at)
        values (%(source)s, 'USD', 'monthly', '2026-10-01') returning payout_id
    ), outgoing as (
        insert into outgoing_postbacks (name, source_id, url, secrets)
        values ('outgoing of ' || %(source)s, %(source)s, 'https://p.example/?c={click_id}', '{whsec_x}')
        returning outgoing_postback_id
    ), delivery as (
        insert into deliveries (outgoing_postback_id, click_id, event, facts, is_test)
        select outgoing_postback_id, click_id, 'ftd', %(facts)s, true
        from outgoing, click returning delivery_id
    ), owed as (
        insert into entries (party, kind, conversion_id, merchant_id, amount_minor, currency)
        select 'merchant', 'revenue', conversion_id, 1, %(payout)s, 'USD' from conversion
    ), earned as (
        insert into entries (party, kind, conversion_id, source_id, amount_minor, currency, payout_schedule, payable_at,
            payout_id)
        select 'source', 'commission', conversion_id, %(source)s, %(earned)s, 'USD', 'monthly', now(), payout_id
        from conversion, payout returning entry_id
    )
    select link.link_id, click.click_id, conversion_id, payout_id, outgoing_postback_id, delivery_id, entry_id,
        %(source)s::bigint as source_id
    from link, click, conversion, payout, outgoing, delivery, earned
"""


@dataclass(frozen=True)
class TwoSources:
    """A client of the app, the owner's view of its database, what belongs to each source, and a token a role."""

    admin: AdminClient
    database: Database
    owned: dict[int, dict[str, Any]]

    def token(self, role: str, *, scopes: list[str] | None = None, expired: bool = False, **user: Any) -> str:
        """Return the API token of a new user of a role."""
        token = f"wp_{secrets.token_hex(16)}"
        fields = {"email": f"{secrets.token_hex(8)}@example.com", "name": f"a {role}", "role": role} | user
        row = self.database.execute(
            f"insert into users ({', '.join(fields)}) values ({', '.join(['%s'] * len(fields))}) returning user_id",
            list(fields.values()),
        ).fetchone()
        assert row is not None
        self.database.execute(
            "insert into api_tokens (token_hash, name, user_id, scopes, expires_at)"
            " values (%s, %s, %s, %s, now() + case when %s then interval '-1 day' else interval '1 day' end)",
            [hash_token(token), f"token of a {role}", row["user_id"], scopes, expired],
        )
        return token

    def ask(self, token: str, method: str, path: str, body: Any = None, **headers: str) -> Result:
        """Send a request with a token."""
        return self.admin.request(method, path, body, Authorization=f"ApiKey {token}", **headers)


@contextmanager
def two_sources(database_url: str, redis_url: str) -> Iterator[TwoSources]:
    """Yield the two sources in a migrated database that is empty but for them."""
    with admin_client(database_url, redis_url) as admin, closing(connect(database_url)) as database:
        admin.profile()
        admin.merchant(name="Merchant of both")
        first_ms = CLICKED_AT_MS - CLICKED_AT_MS % _DAY_MS
        bounds = [UUID(int=at_ms << 80) for at_ms in (first_ms, first_ms + _DAY_MS)]
        database.execute("select make_click_partition('2026-10-30', %s, %s)", bounds)
        owned = {}
        for source_id in (1, 2):
            admin.created("sources", name=f"source {source_id}")
            values = {
                "source": source_id,
                "click": UUID(_click_id(CLICKED_AT_MS + source_id)),
                "at_ms": CLICKED_AT_MS + source_id,
                "payout": PAID_BY_MERCHANT[source_id],
                "earned": EARNED[source_id],
                "facts": Jsonb(
                    sample_facts()
                    | {
                        "payout_minor": PAID_BY_MERCHANT[source_id],
                        "payout": f"{PAID_BY_MERCHANT[source_id] / 100:.2f}",
                        "cost": "66.66",
                    }
                ),
            }
            row = database.execute(_OF_A_SOURCE, values).fetchone()
            assert row is not None
            owned[source_id] = dict(row)
        yield TwoSources(admin, database, owned)


def _click_id(at_ms: int) -> str:
    """Return a genuine click id of a moment, as the client's app knows them."""
    return ClickIdMint(CLICK_ID_KEYS, ProcessIdentity(7, 1, 0), lambda: at_ms * 1_000_000).mint()[0]
