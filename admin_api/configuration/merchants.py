"""Merchants, who pay for conversions, and the tokens by which they report them: shown once and stored hashed."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal

from pydantic import Field

from admin_api.configuration.postback_mapping import MAPPING_CONFLICTS, MappingFields
from admin_api.http import Currency, Matching, ObjectId, Shown, Text, Values
from admin_api.money import missing_plan
from admin_api.resources import (
    Addresses,
    Created,
    Reference,
    Resource,
    insert,
    load_one,
    refuse_archived,
    refuse_if_named,
)
from admin_api.runtime import Database, save_change
from config.configuration import account_key, hash_token, token_key
from config.sealing import seal
from tracking.postbacks import PLATFORMS
from tracking.runtime import SECRET_BYTES, encode_secret

TOKENS_MAX = 2
SECRETS_MAX = 2


class MerchantFields(MappingFields):
    """What a client may set of a merchant."""

    name: Annotated[str, Text(200)]
    """The name that operators use."""
    click_parameter: (
        Annotated[str, Matching("[A-Za-z0-9_.-]{1,64}", "1 to 64 letters, digits, dots, dashes or underscores")] | None
    ) = None
    """The parameter of its postbacks that holds the click id. It is read before all others."""
    postback_auth: Literal["none", "token", "hmac", "address"] = "token"
    """What makes a postback of this account authenticated."""
    currency: Currency = "USD"
    """The currency of amounts that name no currency."""
    default_plan_id: ObjectId | None = None
    """The commission plan of links and profiles that name no plan."""


class PostbackUrls(Shown):
    """The URLs at which a merchant reports conversions. Its own macro for the click id replaces `{click_id}`."""

    get: str
    """The URL for a platform that fills in macros."""
    json_: Annotated[str, Field(alias="json")]
    """The URL for a server that posts JSON."""


class NewToken(Shown):
    """A postback token, which is shown only this once."""

    merchant_id: int
    postback_token: str
    postback_urls: PostbackUrls


class NewSecret(Shown):
    """A secret for signing postbacks, which is shown only this once."""

    merchant_id: int
    postback_secret: str


def create_merchant(database: Database, values: Values, addresses: Addresses) -> Created:
    """Insert a merchant with its first postback token, and with its first secret if it is to sign."""
    platform = PLATFORMS.get(values["platform"] or "")
    if platform is not None and values["click_parameter"] is None:
        values = values | {"click_parameter": platform.parameter}
    merchant_id = insert(database, MERCHANTS, values).object_id
    shown_once = _add_token(database, merchant_id, addresses)
    signs = values["postback_auth"] == "hmac"
    return Created(merchant_id, shown_once | {"postback_secret": _add_secret(database, merchant_id) if signs else None})


def rotate_token(database: Database, merchant_id: int, addresses: Addresses) -> dict[str, Any]:
    """Give a merchant another token and return it. The newest two work, so the merchant can change over at any time."""
    with database.transaction():
        # With the lock on the merchant, the order of its tokens is the order of commits, so the newest two are known.
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


def has_conversions(database: Database, merchant_id: int) -> bool:
    """Say whether a merchant has conversions. No foreign key says so, since a conversion may have no merchant."""
    found = database.execute("select exists (select from conversions where merchant_id = %s)", [merchant_id]).fetchone()
    return found is not None and bool(found["exists"])


def _add_secret(database: Database, merchant_id: int) -> str:
    # Unlike a token, it is kept as it is: the edge computes the same signature with it.
    secret = encode_secret(secrets.token_bytes(SECRET_BYTES))
    database.execute("insert into merchant_secrets (secret, merchant_id) values (%s, %s)", [seal(secret), merchant_id])
    return secret


def _add_token(database: Database, merchant_id: int, addresses: Addresses) -> dict[str, Any]:
    token = f"wpm_{secrets.token_urlsafe(32)}"
    database.execute(
        "insert into merchant_tokens (token_hash, merchant_id) values (%s, %s)", [hash_token(token), merchant_id]
    )
    oldest = database.execute("select domain from profiles order by profile_id limit 1").fetchone()
    urls = addresses.postback_urls(oldest["domain"] if oldest else None, token)
    return {"postback_token": token, "postback_urls": urls}


MERCHANTS: Resource = Resource(
    singular="merchant",
    plural="merchants",
    id_name="merchant_id",
    conflict_codes=("conflict",),
    description="Who pays for conversions and reports them: an account with tokens of its own.",
    fields=MerchantFields,
    select=(
        "select merchants.*, array(select token_hash from merchant_tokens where merchant_tokens.merchant_id ="
        " merchants.merchant_id order by token_id) as token_hashes, (select count(*) from merchant_secrets where"
        " merchant_secrets.merchant_id = merchants.merchant_id) as active_secrets from merchants"
    ),
    create=create_merchant,
    in_use=(
        "links, commission plans, conversions or entries still name this merchant; delete or move links and plans"
        " first, or archive the merchant"
    ),
    conflicts={"merchants_default_plan_id_fkey": missing_plan("default_plan_id"), **MAPPING_CONFLICTS},
    once_types={
        "postback_token": Annotated[str, Field(description="Shown this once.")],
        "postback_urls": PostbackUrls,
        "postback_secret": Annotated[
            str | None, Field(description="Shown this once; null unless postback_auth is hmac.")
        ],
    },
    is_needed=has_conversions,
    check=lambda database, row: refuse_archived(
        database, row, (Reference("default_plan_id", "commission plan", "commission_plans", "plan_id"),)
    ),
    archivable=True,
    refuse_archive=lambda database, row: refuse_if_named(
        database, row["merchant_id"], {"links": "from links where merchant_id = %s and archived_at is null"}
    ),
    keys=lambda row: [account_key(row["merchant_id"]), *(f"t:{token_hash}" for token_hash in row["token_hashes"])],
    shown_types={
        "active_tokens": Annotated[int, Field(description="How many postback tokens work.")],
        "active_secrets": Annotated[int, Field(description="How many secrets to sign with work.")],
    },
    extras=lambda row, addresses: {
        "active_tokens": len(row["token_hashes"]),
        "active_secrets": row["active_secrets"],
    },
)
