"""The postback intake: both routes, every answer recorded and synced to disk before the merchant hears it.

It answers from what it can know without a database; the worker judges every postback again and has the last word.
"""

from __future__ import annotations

from time import time_ns
from uuid import uuid4

import falcon
import orjson

from edge.http import Outcome, client_address, host_name, set_problem
from edge.postbacks.reader import PostbackReader, PostbackRequest, ReceivedPostback
from edge.spool import Recorder
from tracking.clicks import parse_query
from tracking.spool import Postback, encode_postback

# Of these parts of a request so much is recorded. With the largest body (six bytes for each of its own, at worst) a
# record then always fits into the spool, whatever a server lets through.
_TEXT_CHARACTERS_MAX = 32_768
_NAME_CHARACTERS_MAX = 1_000


class PostbackResponder:
    """Reads, records and answers a postback, whichever route it came by."""

    def __init__(self, reader: PostbackReader, recorder: Recorder, body_bytes_max: int, trusted_proxies: int) -> None:
        self._reader = reader
        self._recorder = recorder
        self._body_bytes_max = body_bytes_max
        self._trusted_proxies = trusted_proxies

    def answer(self, req: falcon.Request, resp: falcon.Response, route: str, token: str | None) -> None:
        """Answer one request. `token` is None for a postback that names no account."""
        body = _read_body(req, self._body_bytes_max)
        sent = PostbackRequest(req.env, body, client_address(req.env, self._trusted_proxies), token)
        reading = self._reader.read(sent)
        for name, value in reading.share.headers().items():
            resp.set_header(name, value)
        if not reading.is_stored:
            self._recorder.count(Outcome.POSTBACK_RATE_LIMITED_NOT_STORED)
            _refuse(resp, reading)
            return
        postback_id = str(uuid4())
        if not self._recorder.log_postback(encode_postback(self._record(sent, reading, route, postback_id))):
            self._reader.release_nonce(reading)
            self._recorder.count(Outcome.POSTBACK_NOT_LOGGED)
            resp.set_header("Retry-After", "5")
            set_problem(resp, 503, Outcome.POSTBACK_NOT_LOGGED, "The postback could not be stored; send it again.")
            return
        self._recorder.count(Outcome(f"postback-{reading.reason or 'recorded'}"))
        if reading.reason is not None:
            _refuse(resp, reading)
            return
        resp.content_type = "application/json"
        resp.data = orjson.dumps({"status": "recorded", "postback_id": postback_id})
        resp.set_header("Cache-Control", "no-store")

    def _record(self, sent: PostbackRequest, reading: ReceivedPostback, route: str, postback_id: str) -> Postback:
        env = sent.env
        return Postback(
            postback_id=postback_id,
            at_ms=time_ns() // 1_000_000,
            route=route,
            method=env["REQUEST_METHOD"],
            host=host_name(dict(env))[:_NAME_CHARACTERS_MAX],
            query=_without_token(env.get("QUERY_STRING") or "")[:_TEXT_CHARACTERS_MAX],
            content_type=(env.get("CONTENT_TYPE") or "")[:_NAME_CHARACTERS_MAX],
            body=sent.body[: self._body_bytes_max].decode("latin-1"),
            ip=sent.address,
            user_agent=(env.get("HTTP_USER_AGENT") or "")[:_TEXT_CHARACTERS_MAX],
            merchant_id=reading.merchant_id,
            authenticated=reading.authenticated,
            answered=reading.status,
            reason=reading.reason,
            detail=reading.detail,
            fields=reading.fields,
            nonce=reading.nonce,
        )


class JsonPostbackResource:
    """GET and POST of /v1/postback. A token is optional: `Authorization: Bearer`, `X-Postback-Token`, or `token` in the
    query.
    """

    def __init__(self, intake: PostbackResponder) -> None:
        self._intake = intake

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer a postback."""
        scheme, _, credential = (req.get_header("Authorization") or "").partition(" ")
        token = credential.strip() if scheme.lower() in ("bearer", "apikey") else None
        query = req.env.get("QUERY_STRING") or ""
        token = token or req.get_header("X-Postback-Token") or parse_query(query).get("token")
        self._intake.answer(req, resp, "/v1/postback", token or None)

    on_post = on_get


class TokenPostbackResource:
    """GET and POST of /postback/{token}, which are equal. SECURITY: the token is kept out of the stored route."""

    def __init__(self, intake: PostbackResponder) -> None:
        self._intake = intake

    def on_get(self, req: falcon.Request, resp: falcon.Response, token: str) -> None:
        """Answer a postback."""
        self._intake.answer(req, resp, "/postback/{token}", token)

    on_post = on_get


def _refuse(resp: falcon.Response, reading: ReceivedPostback) -> None:
    assert reading.reason is not None, "what is refused has a reason"
    if reading.status == 401:
        resp.set_header("WWW-Authenticate", "Bearer")
    set_problem(resp, reading.status, reading.reason, reading.detail or "", reading.field)


def _read_body(req: falcon.Request, limit: int) -> bytes:
    """Return the body, at most one byte over `limit`."""
    if req.method == "GET":
        return b""
    stream = req.stream if req.env.get("wsgi.input_terminated") else req.bounded_stream
    body: bytes = stream.read(limit + 1)
    return body


def _without_token(query: str) -> str:
    """Return a query string without the account's token. SECURITY: it is no part of what is reported, and whoever may
    read what was reported need not be able to report.
    """
    if "token" not in query.lower() and "%" not in query:
        return query
    return "&".join(pair for pair in query.split("&") if "token" not in parse_query(pair))
