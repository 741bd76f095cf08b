"""Outgoing postbacks: which conversions are reported to which partner, how, and the secrets that sign the reports."""

from __future__ import annotations

import secrets
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated, Literal, LiteralString
from uuid import UUID

import falcon
from psycopg.types.json import Jsonb
from pydantic import Field

from admin_api.http import (
    Body,
    ConflictError,
    EventName,
    ObjectId,
    OneOf,
    Shown,
    Text,
    Values,
    checked,
    operation,
    refuse_control,
)
from admin_api.outgoing.partners import within_partner
from admin_api.resources import Addresses, Created, Resource, insert, load_one
from admin_api.runtime import Database, Pool, Row
from config.postback_templates import fill_template, postback_templates
from config.sealing import seal
from tracking.conversions import ConversionStatus
from tracking.outgoing import Network, OutgoingState, compile_outgoing, sample_facts
from tracking.runtime import SECRET_BYTES, FieldError, encode_secret

SECRETS_MAX = 2
_SELECT: LiteralString = "select * from outgoing_postbacks"


def _each_once(words: list[str], field: str) -> list[str]:
    return list(dict.fromkeys(words))


class OutgoingPostbackFields(Body):
    """What is stored of an outgoing postback."""

    name: Annotated[str, Text(100, shortest=2)]
    """The name that operators use."""
    source_id: ObjectId | None = None
    """The source whose conversions it reports; null for all sources."""
    template: Annotated[str, OneOf(tuple(postback_templates()))] | None = None
    """The partner's template; see /v1/postback-templates."""
    method: Literal["GET", "POST"] = "GET"
    """The method of the request. A POST is signed as Standard Webhooks describes."""
    url: Annotated[str, checked(refuse_control)] | None = None
    """The URL to send to, with macros. If it is left out, the template makes it."""
    events: Annotated[list[EventName], checked(_each_once)] = []
    """The event types to report; an empty list means all."""
    statuses: Annotated[list[ConversionStatus], checked(_each_once)] = [ConversionStatus.APPROVED]
    """The statuses to report; an empty list means all."""
    amount_changes: bool = False
    """Whether a change of only the amount is reported too."""
    state: Literal["enabled", "disabled"] = "enabled"
    """Whether it sends. Enabling a suspended postback sends what it missed."""


class NewOutgoingPostback(OutgoingPostbackFields):
    """What a client may set of an outgoing postback."""

    template_values: dict[str, str] | None = None
    """Values of your account at the partner that the template needs. They are not stored; they go into the URL."""


class NewSigningSecret(Shown):
    """A secret that signs what is sent. It is shown only this once."""

    outgoing_postback_id: int
    secret: str


class PlannedTest(Shown):
    """A test that will be sent in a moment."""

    delivery_id: UUID
    """The outcome is at /v1/deliveries/{delivery_id}."""


def outgoing_postbacks(allowed: tuple[Network, ...]) -> Resource:
    """Return the resource; `allowed` are the private networks in which partners may be."""

    def create(database: Database, values: Values, addresses: Addresses) -> Created:
        secret = mint_secret()
        made = insert(database, resource, values | {"secrets": [seal(secret)]})
        return Created(made.object_id, {"secret": secret})

    def prepare(database: Database, values: Values, before: Row | None) -> Values:
        values = within_partner(values, before)
        prepared = _with_url(values)
        if "url" in prepared:
            # The URL leads to no private network, as far as that is known now. It is checked again at sending.
            compile_outgoing(prepared["url"], "url", allowed)
        _require_events(database, prepared.get("events", []))
        return prepared

    resource = Resource(
        singular="outgoing postback",
        plural="outgoing_postbacks",
        id_name="outgoing_postback_id",
        path="outgoing-postbacks",
        description="Which conversions are reported to which partner, and how.",
        fields=OutgoingPostbackFields,
        new_fields=NewOutgoingPostback,
        generated=("url",),
        prepare=prepare,
        select=_SELECT,
        create=create,
        in_use="conversions were reported with it; disable and archive it instead",
        conflicts={
            "outgoing_postbacks_source_id_fkey": partial(
                FieldError,
                "source_id",
                "source_id names a source that does not exist; create it at /v1/sources, or leave it out",
            )
        },
        shown_types={
            "url": str,
            # Waypost itself may also suspend one.
            "state": OutgoingState,
            "state_reason": Annotated[str | None, Field(description="Why Waypost suspended or disabled it.")],
            "failing_since": Annotated[datetime | None, Field(description="Since when no attempt has succeeded.")],
        },
        once_types={"secret": Annotated[str, Field(description="Signs what is sent. Shown this once.")]},
        is_needed=_has_deliveries,
        archivable=True,
        refuse_archive=_refuse_archive,
    )
    return resource


def _refuse_archive(database: Database, row: Row) -> None:
    if row["state"] != OutgoingState.DISABLED:
        raise ConflictError("this outgoing postback is not disabled; disable it before you archive it", code="in-use")


def _with_url(values: Values) -> Values:
    """Return values with the URL that their template makes, if they name a template and give no URL."""
    rest = {name: value for name, value in values.items() if name != "template_values"}
    given, key = values.get("template_values"), values.get("template")
    if rest.get("url") is None and key is not None:
        return rest | {"url": fill_template(postback_templates()[key], given or {})}
    if given is not None:
        raise FieldError("template_values", "template_values goes with a template, in place of a url")
    if "url" in rest and rest["url"] is None:
        raise FieldError("url", "url is required, or a template", code="missing-field")
    return rest


class OutgoingPostbackSecret:
    """The secrets of one postback, shown only when made. The newest two sign, so that a partner can change over."""

    def __init__(self, resource: Resource, pool: Pool) -> None:
        self._resource = resource
        self._pool = pool

    @operation("Make a secret that signs what is sent", statuses=(HTTPStatus.CREATED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, outgoing_postback_id: int) -> NewSigningSecret:
        """The newest two secrets sign."""
        secret = mint_secret()
        with self._pool.connection() as database, database.transaction():
            row = load_one(database, self._resource, outgoing_postback_id, lock=True)
            kept = [seal(secret), *row["secrets"]][:SECRETS_MAX]
            database.execute(
                "update outgoing_postbacks set secrets = %s, revision = revision + 1, updated_at = now()"
                " where outgoing_postback_id = %s",
                [kept, outgoing_postback_id],
            )
        return NewSigningSecret(outgoing_postback_id=outgoing_postback_id, secret=secret)


class OutgoingPostbackTest:
    """A test: one delivery that is marked as a test and has made-up values. It is sent once, whatever the state."""

    def __init__(self, resource: Resource, pool: Pool) -> None:
        self._resource = resource
        self._pool = pool

    @operation("Send a test to the partner", statuses=(HTTPStatus.ACCEPTED,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, outgoing_postback_id: int) -> PlannedTest:
        """The delivery shows the partner's answer as soon as it was sent."""
        facts = sample_facts()
        with self._pool.connection() as database:
            load_one(database, self._resource, outgoing_postback_id)
            row: Row | None = database.execute(
                "insert into deliveries (outgoing_postback_id, event, facts, is_test) values (%s, %s, %s, true)"
                " returning delivery_id",
                [outgoing_postback_id, facts["event"], Jsonb(facts)],
            ).fetchone()
        assert row is not None
        resp.location = f"/v1/deliveries/{row['delivery_id']}"
        return PlannedTest.of(row)


def mint_secret() -> str:
    """Return a new random signing secret."""
    return encode_secret(secrets.token_bytes(SECRET_BYTES))


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
