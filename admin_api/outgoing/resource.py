"""Outgoing postbacks: which conversions are reported to which partner, how, and the secrets that sign it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any, LiteralString

import falcon
from psycopg.types.json import Jsonb

from admin_api.http import (
    Field,
    Parser,
    Values,
    choice,
    decode_id,
    decode_object,
    decode_revisions,
    flag,
    object_id,
    text,
    validate_changes,
    validate_new,
)
from admin_api.resources import (
    Addresses,
    Collection,
    Created,
    Item,
    Noun,
    insert,
    load_one,
    present,
    save_changes,
    save_new,
)
from admin_api.runtime import Database, Pool, Row
from config.postback_templates import fill_in, postback_templates
from tracking.conversions import ConversionStatus
from tracking.outgoing import Network, OutgoingState, compile_outgoing, sample_facts
from tracking.runtime import SECRET_BYTES, FieldError, encode_secret

SECRETS_MAX = 2
_SELECT: LiteralString = "select * from outgoing_postbacks"


def outgoing_postbacks(allowed: tuple[Network, ...]) -> Noun:
    """Return the noun; `allowed` are the private networks that partners may be in."""

    def create(database: Database, values: Values, addresses: Addresses) -> Created:
        secret = mint_secret()
        made = insert(database, noun, values | {"secrets": [secret]})
        return Created(made.object_id, {"secret": secret})

    noun = Noun(
        singular="outgoing postback",
        plural="outgoing_postbacks",
        id_name="outgoing_postback_id",
        path="outgoing-postbacks",
        fields=(
            Field("name", text(100, shortest=2)),
            Field("source_id", object_id, default=None, nullable=True),
            Field("template", choice(*postback_templates()), default=None, nullable=True),
            Field("method", choice("GET", "POST"), default="GET"),
            Field("url", partial(_outgoing_url, allowed)),
            Field("events", _words(lambda word: True, "event types, such as ftd"), default=[]),
            Field(
                "statuses",
                _words(lambda word: word in set(ConversionStatus), f"of {', '.join(ConversionStatus)}"),
                default=[ConversionStatus.APPROVED.value],
            ),
            Field("amount_changes", flag, default=False),
            Field(
                "state",
                choice(OutgoingState.ENABLED.value, OutgoingState.DISABLED.value),
                default=OutgoingState.ENABLED.value,
            ),
        ),
        select=_SELECT,
        create=create,
        in_use="conversions were reported with it; set its state to disabled instead",
        conflicts={
            "outgoing_postbacks_source_id_fkey": partial(
                FieldError,
                "source_id",
                "source_id names a source that does not exist; create it at /v1/sources, or leave it out",
            )
        },
        extras=lambda row, addresses: {name: row[name] for name in ("state_reason", "failing_since")},
        is_needed=_has_deliveries,
    )
    return noun


class OutgoingPostbacks(Collection):
    """All outgoing postbacks."""

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Create one, from its URL or from a template."""
        values = validate_new(self._noun.fields, _filled_in(decode_object(req)))
        with self._pool.connection() as database:
            _require_events(database, values["events"])
            row, created = save_new(database, self._noun, values, self._addresses)
        resp.media = {**present(self._noun, row, self._addresses), **created.shown_once}
        resp.etag = str(row["revision"])
        resp.status = falcon.HTTP_CREATED
        resp.location = f"/v1/{self._noun.path}/{created.object_id}"


class OutgoingPostbackItem(Item):
    """One outgoing postback."""

    def on_patch(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Change the fields that the body names; enabling a suspended one sends what it missed."""
        number = decode_id(object_id, self._noun.singular)
        changes = validate_changes(self._noun.fields, _filled_in(decode_object(req)))
        with self._pool.connection() as database:
            _require_events(database, changes.get("events", []))
            row = save_changes(database, self._noun, number, changes, decode_revisions(req))
        resp.media = present(self._noun, row, self._addresses)
        resp.etag = str(row["revision"])


class OutgoingPostbackSecret:
    """The secrets of one: shown only when they are made. The newest two sign, so that a partner can change over."""

    def __init__(self, noun: Noun, pool: Pool) -> None:
        self._noun = noun
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Make one more and return it."""
        number = decode_id(object_id, self._noun.singular)
        secret = mint_secret()
        with self._pool.connection() as database, database.transaction():
            row = load_one(database, self._noun, number, lock=True)
            kept = [secret, *row["secrets"]][:SECRETS_MAX]
            database.execute(
                "update outgoing_postbacks set secrets = %s, revision = revision + 1, updated_at = now()"
                " where outgoing_postback_id = %s",
                [kept, number],
            )
        resp.media = {"outgoing_postback_id": number, "secret": secret}
        resp.status = falcon.HTTP_CREATED


class OutgoingPostbackTest:
    """A test: one marked delivery with made-up values, sent once, whatever the state."""

    def __init__(self, noun: Noun, pool: Pool) -> None:
        self._noun = noun
        self._pool = pool

    def on_post(self, req: falcon.Request, resp: falcon.Response, object_id: str) -> None:
        """Plan it; the answer is in the delivery when the deliveries process has sent it."""
        number = decode_id(object_id, self._noun.singular)
        facts = sample_facts()
        with self._pool.connection() as database:
            load_one(database, self._noun, number)
            row: Row | None = database.execute(
                "insert into deliveries (outgoing_postback_id, event, facts, is_test) values (%s, %s, %s, true)"
                " returning delivery_id",
                [number, facts["event"], Jsonb(facts)],
            ).fetchone()
        assert row is not None
        resp.media = {"delivery_id": row["delivery_id"]}
        resp.status = falcon.HTTP_ACCEPTED
        resp.location = f"/v1/deliveries/{row['delivery_id']}"


def mint_secret() -> str:
    """Return a new random signing secret."""
    return encode_secret(secrets.token_bytes(SECRET_BYTES))


def _filled_in(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body whose URL is made from its template, where it names one and gives no URL."""
    template = postback_templates().get(body["template"]) if isinstance(body.get("template"), str) else None
    if template is None or "url" in body:
        return body
    values = body.get("template_values", {})
    rest = {name: value for name, value in body.items() if name != "template_values"}
    return rest | {"url": fill_in(template, values)}


def _outgoing_url(allowed: tuple[Network, ...], value: Any, field: str) -> str:
    """Accept a URL with macros that leads nowhere private, as far as that can be known now; checked again when sent."""
    if not isinstance(value, str):
        raise FieldError(field, f"{field} must be text in double quotes")
    compile_outgoing(value, field, allowed)
    return value


def _words(allow: Callable[[str], bool], meaning: str) -> Parser:
    def parse(value: Any, field: str) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(word, str) and allow(word) for word in value):
            raise FieldError(field, f"{field} must be a list {meaning}; an empty list means all")
        return list(dict.fromkeys(value))

    return parse


def _require_events(database: Database, events: list[str]) -> None:
    rows = database.execute("select event from event_types where event = any(%s)", [events]).fetchall()
    missing = sorted(set(events) - {row["event"] for row in rows})
    if missing:
        raise FieldError("events", f"events names {missing[0][:40]!r}, which is no event type of yours")


def _has_deliveries(database: Database, postback_id: int) -> bool:
    found = database.execute(
        "select exists (select from deliveries where outgoing_postback_id = %s and not is_test)", [postback_id]
    ).fetchone()
    return found is not None and bool(found["exists"])
