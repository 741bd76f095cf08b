"""Merchants: who pays for conversions, and the tokens they report them with, each shown once and stored hashed."""

from __future__ import annotations

import secrets
from typing import Any

from admin_api.addresses import Addresses
from admin_api.fields import Field, Values, choice, currency, matching, text
from admin_api.nouns import Created, Database, Noun
from admin_api.outbox import save_change
from admin_api.store import insert, load_one
from config.served import hash_token, token_key

TOKENS_MAX = 2


def create_merchant(database: Database, values: Values, addresses: Addresses) -> Created:
    """Insert a merchant with its first postback token."""
    merchant_id = insert(database, MERCHANTS, values).object_id
    return Created(merchant_id, _add_token(database, merchant_id, addresses))


def rotate_token(database: Database, merchant_id: int, addresses: Addresses) -> dict[str, Any]:
    """Give a merchant one more token and return it. The newest two work; the merchant changes over at its leisure."""
    with database.transaction():
        # The lock on the merchant makes the order of its tokens, which says which two are newest, the order of commits.
        before = load_one(database, MERCHANTS, merchant_id, lock=True)
        shown_once = _add_token(database, merchant_id, addresses)
        database.execute(
            "delete from merchant_tokens where merchant_id = %(merchant_id)s and token_id not in (select token_id from"
            " merchant_tokens where merchant_id = %(merchant_id)s order by token_id desc limit %(kept)s)",
            {"merchant_id": merchant_id, "kept": TOKENS_MAX},
        )
        save_change(database, [*MERCHANTS.keys(before), token_key(shown_once["postback_token"])])
    return {"merchant_id": merchant_id, **shown_once}


def _add_token(database: Database, merchant_id: int, addresses: Addresses) -> dict[str, Any]:
    token = f"wpm_{secrets.token_urlsafe(32)}"
    database.execute(
        "insert into merchant_tokens (token_hash, merchant_id) values (%s, %s)", [hash_token(token), merchant_id]
    )
    oldest = database.execute("select domain from profiles order by profile_id limit 1").fetchone()
    urls = addresses.postback_urls(oldest["domain"] if oldest else None, token)
    return {"postback_token": token, "postback_urls": urls}


MERCHANTS: Noun = Noun(
    singular="merchant",
    plural="merchants",
    id_name="merchant_id",
    fields=(
        Field("name", text(200)),
        Field(
            "click_parameter",
            matching("[A-Za-z0-9_.-]{1,64}", "1 to 64 letters, digits, dots, dashes or underscores"),
            default=None,
            nullable=True,
        ),
        Field("postback_auth", choice("none", "token"), default="token"),
        Field("currency", currency, default="USD"),
    ),
    select=(
        "select merchants.*, array(select token_hash from merchant_tokens where merchant_tokens.merchant_id ="
        " merchants.merchant_id order by token_id) as token_hashes from merchants"
    ),
    create=create_merchant,
    in_use="links still name this merchant; delete or move them first",
    keys=lambda row: [f"t:{token_hash}" for token_hash in row["token_hashes"]],
    extras=lambda row, addresses: {"active_tokens": len(row["token_hashes"])},
)
