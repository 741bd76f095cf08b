"""Merchants: who pays for conversions, and the tokens they report them with, each shown once and stored hashed."""

from __future__ import annotations

import secrets
from typing import Any

from admin_api.configuration.postback_mapping import MAPPING_CONFLICTS, MAPPING_FIELDS
from admin_api.http import Field, Values, choice, currency, matching, object_id, text
from admin_api.money import missing_plan
from admin_api.resources import Addresses, Created, Noun, insert, load_one
from admin_api.runtime import Database, save_change
from config.configuration import account_key, hash_token, token_key
from tracking.postbacks import PLATFORMS
from tracking.runtime import SECRET_BYTES, encode_secret

TOKENS_MAX = 2
SECRETS_MAX = 2


def create_merchant(database: Database, values: Values, addresses: Addresses) -> Created:
    """Insert a merchant with its first postback token, and its first secret where it is to sign."""
    platform = PLATFORMS.get(values["platform"] or "")
    if platform is not None and values["click_parameter"] is None:
        values = values | {"click_parameter": platform.parameter}
    merchant_id = insert(database, MERCHANTS, values).object_id
    shown_once = _add_token(database, merchant_id, addresses)
    if values["postback_auth"] == "hmac":
        shown_once["postback_secret"] = _add_secret(database, merchant_id)
    return Created(merchant_id, shown_once)


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


def rotate_secret(database: Database, merchant_id: int) -> dict[str, Any]:
    """Give a merchant one more secret to sign with, and return what is shown of it this once. The newest two work."""
    with database.transaction():
        before = load_one(database, MERCHANTS, merchant_id, lock=True)
        secret = _add_secret(database, merchant_id)
        database.execute(
            "delete from merchant_secrets where merchant_id = %(merchant_id)s and secret_id not in (select secret_id"
            " from merchant_secrets where merchant_id = %(merchant_id)s order by secret_id desc limit %(kept)s)",
            {"merchant_id": merchant_id, "kept": SECRETS_MAX},
        )
        save_change(database, MERCHANTS.keys(before))
    return {"merchant_id": merchant_id, "postback_secret": secret}


def _add_secret(database: Database, merchant_id: int) -> str:
    # Kept as it is, unlike a token: the edge computes the same signature with it.
    secret = encode_secret(secrets.token_bytes(SECRET_BYTES))
    database.execute("insert into merchant_secrets (secret, merchant_id) values (%s, %s)", [secret, merchant_id])
    return secret


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
        Field("postback_auth", choice("none", "token", "hmac", "address"), default="token"),
        Field("currency", currency, default="USD"),
        Field("default_plan_id", object_id, default=None, nullable=True),
        *MAPPING_FIELDS,
    ),
    select=(
        "select merchants.*, array(select token_hash from merchant_tokens where merchant_tokens.merchant_id ="
        " merchants.merchant_id order by token_id) as token_hashes, (select count(*) from merchant_secrets where"
        " merchant_secrets.merchant_id = merchants.merchant_id) as active_secrets from merchants"
    ),
    create=create_merchant,
    in_use="links, commission plans or entries still name this merchant; delete or move links and plans first",
    conflicts={"merchants_default_plan_id_fkey": missing_plan("default_plan_id"), **MAPPING_CONFLICTS},
    keys=lambda row: [account_key(row["merchant_id"]), *(f"t:{token_hash}" for token_hash in row["token_hashes"])],
    extras=lambda row, addresses: {
        "active_tokens": len(row["token_hashes"]),
        "active_secrets": row["active_secrets"],
    },
)
