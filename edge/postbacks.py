"""The postback intake: both routes, every answer recorded and synced to disk before the merchant hears it.

It answers from what it can know without a database; the worker judges every postback again and has the last word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Any
from uuid import uuid4

import falcon
import orjson

from config.mirror import MirrorReader
from config.served import ServedToken, decode_token, token_key
from edge.address import client_address, host_name
from edge.duplicates import DuplicateMarkers
from edge.outcomes import Outcome
from edge.postback_fields import PostbackError, read_fields, read_parameters
from edge.problems import set_problem
from edge.recorder import Recorder
from tracking.errors import FieldError
from tracking.events import PostbackReason
from tracking.records import Postback, encode_postback

DEFAULT_CURRENCY = "USD"
_STATUS_OF_REASON = {
    PostbackReason.BAD_BODY: 400,
    PostbackReason.BAD_FIELD: 400,
    PostbackReason.BAD_TOKEN: 401,
    PostbackReason.UNKNOWN_CLICK: 404,
    PostbackReason.DUPLICATE: 409,
    PostbackReason.TOO_LARGE: 413,
}


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """How postbacks are read: the click id keys, the largest body in bytes, and the number of trusted proxies."""

    keys: Sequence[bytes]
    body_bytes_max: int
    trusted_proxies: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What one request turned out to be: its fields or the reason it is refused, and the account its token names."""

    account: ServedToken | None
    fields: dict[str, Any] | None = None
    reason: PostbackReason | None = None
    detail: str | None = None
    field: str | None = None

    @property
    def status(self) -> int:
        """The HTTP status this reading is answered with."""
        return 200 if self.reason is None else _STATUS_OF_REASON[self.reason]


class PostbackIntake:
    """Reads, records and answers a postback, whichever route it came by."""

    def __init__(
        self, mirror: MirrorReader, recorder: Recorder, markers: DuplicateMarkers, settings: IntakeSettings
    ) -> None:
        self._mirror = mirror
        self._recorder = recorder
        self._markers = markers
        self._settings = settings

    def answer(self, req: falcon.Request, resp: falcon.Response, route: str, token: str | None) -> None:
        """Answer one request. `token` is None for a postback that names no account."""
        body = _read_body(req, self._settings.body_bytes_max)
        reading = self._read(req, body, token)
        postback_id = str(uuid4())
        if not self._recorder.log_postback(encode_postback(self._record(req, body, reading, route, postback_id))):
            self._recorder.count(Outcome.POSTBACK_NOT_LOGGED)
            resp.set_header("Retry-After", "5")
            set_problem(resp, 503, Outcome.POSTBACK_NOT_LOGGED, "The postback could not be stored; send it again.")
            return
        self._recorder.count(Outcome(f"postback-{reading.reason or 'recorded'}"))
        if reading.reason is None:
            resp.content_type = "application/json"
            resp.data = orjson.dumps({"status": "recorded", "postback_id": postback_id})
            resp.set_header("Cache-Control", "no-store")
            return
        if reading.status == 401:
            resp.set_header("WWW-Authenticate", "Bearer")
        set_problem(resp, reading.status, reading.reason, reading.detail or "", reading.field)

    def _read(self, req: falcon.Request, body: bytes, token: str | None) -> Reading:
        account = None
        if token is not None:
            served = self._mirror.get(token_key(token))[0]
            if served is None:
                return Reading(
                    None, reason=PostbackReason.BAD_TOKEN, detail="This postback token is not known or no longer valid."
                )
            account = decode_token(served)
        if len(body) > self._settings.body_bytes_max:
            return Reading(
                account,
                reason=PostbackReason.TOO_LARGE,
                detail=f"The body is over {self._settings.body_bytes_max} bytes.",
            )
        try:
            parameters = read_parameters(req.env.get("QUERY_STRING", ""), req.content_type or "", body)
            fields = read_fields(parameters, self._settings.keys, account.currency if account else DEFAULT_CURRENCY)
        except PostbackError as error:
            return Reading(account, reason=PostbackReason(error.code), detail=error.message, field=error.field)
        except FieldError as error:
            return Reading(account, reason=PostbackReason.BAD_FIELD, detail=error.message, field=error.field)
        if self._markers.seen(account.merchant_id if account else None, fields):
            return Reading(account, fields, PostbackReason.DUPLICATE, "This postback was already received.")
        return Reading(account, fields)

    def _record(self, req: falcon.Request, body: bytes, reading: Reading, route: str, postback_id: str) -> Postback:
        env = req.env
        return Postback(
            postback_id=postback_id,
            at_ms=time_ns() // 1_000_000,
            route=route,
            method=env["REQUEST_METHOD"],
            host=host_name(env),
            query=env.get("QUERY_STRING", ""),
            content_type=env.get("CONTENT_TYPE", "") or "",
            body=body[: self._settings.body_bytes_max].decode("latin-1"),
            ip=client_address(env, self._settings.trusted_proxies),
            user_agent=env.get("HTTP_USER_AGENT", ""),
            merchant_id=reading.account.merchant_id if reading.account else None,
            authenticated=reading.account is not None,
            answered=reading.status,
            reason=reading.reason,
            detail=reading.detail,
            fields=reading.fields,
        )


class JsonPostbackResource:
    """POST /v1/postback. A token is optional: `Authorization: Bearer`, `X-Postback-Token`, or `token` in the query."""

    def __init__(self, intake: PostbackIntake) -> None:
        self._intake = intake

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer a postback."""
        scheme, _, credential = (req.get_header("Authorization") or "").partition(" ")
        token = credential.strip() if scheme.lower() in ("bearer", "apikey") else None
        token = token or req.get_header("X-Postback-Token") or req.get_param("token")
        self._intake.answer(req, resp, "/v1/postback", token or None)


class TokenPostbackResource:
    """GET and POST of /postback/{token}, which are equal. SECURITY: the token is kept out of the stored route."""

    def __init__(self, intake: PostbackIntake) -> None:
        self._intake = intake

    def on_get(self, req: falcon.Request, resp: falcon.Response, token: str) -> None:
        """Answer a postback."""
        self._intake.answer(req, resp, "/postback/{token}", token)

    on_post = on_get


def _read_body(req: falcon.Request, limit: int) -> bytes:
    """Return the body, at most one byte over `limit`."""
    if req.method == "GET":
        return b""
    stream = req.stream if req.env.get("wsgi.input_terminated") else req.bounded_stream
    body: bytes = stream.read(limit + 1)
    return body
