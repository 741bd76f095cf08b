"""Both routes for postbacks. Each postback is recorded and synced to disk before it is answered.

The answer is made without a database. The worker decides about every postback again, and what it decides counts.
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

# How much of a long query, User-Agent, Host and Content-Type is recorded. A record then always fits into the spool,
# also with the largest body, each byte of which may take six bytes of the record.
_TEXT_CHARACTERS_MAX = 32_768
_NAME_CHARACTERS_MAX = 1_000


class PostbackResponder:
    """Reads, records and answers a postback of either route."""

    def __init__(self, reader: PostbackReader, recorder: Recorder, body_bytes_max: int, trusted_proxies: int) -> None:
        self._reader = reader
        self._recorder = recorder
        self._body_bytes_max = body_bytes_max
        self._trusted_proxies = trusted_proxies

    def answer(self, req: falcon.Request, resp: falcon.Response, route: str, token: str | None) -> None:
        """Answer one request. `token` is None if the postback names no account."""
        body = _read_body(req, self._body_bytes_max)
        request = PostbackRequest(req.env, body, client_address(req.env, self._trusted_proxies), token)
        received = self._reader.read(request)
        for name, value in received.rate_limit.headers().items():
            resp.set_header(name, value)
        if not received.is_stored:
            self._recorder.count(Outcome.POSTBACK_RATE_LIMITED_NOT_STORED)
            _refuse(resp, received)
            return
        postback_id = str(uuid4())
        if not self._recorder.log_postback(encode_postback(self._record(request, received, route, postback_id))):
            self._reader.release_nonce(received)
            self._recorder.count(Outcome.POSTBACK_NOT_LOGGED)
            resp.set_header("Retry-After", "5")
            set_problem(resp, 503, Outcome.POSTBACK_NOT_LOGGED, "The postback could not be stored; send it again.")
            return
        self._recorder.count(Outcome(f"postback-{received.reason or 'recorded'}"))
        if received.reason is not None:
            _refuse(resp, received)
            return
        resp.content_type = "application/json"
        resp.data = orjson.dumps({"status": "recorded", "postback_id": postback_id})
        resp.set_header("Cache-Control", "no-store")

    def _record(self, request: PostbackRequest, received: ReceivedPostback, route: str, postback_id: str) -> Postback:
        env = request.env
        return Postback(
            postback_id=postback_id,
            at_ms=time_ns() // 1_000_000,
            route=route,
            method=env["REQUEST_METHOD"],
            host=host_name(dict(env))[:_NAME_CHARACTERS_MAX],
            query=_without_token(env.get("QUERY_STRING") or "")[:_TEXT_CHARACTERS_MAX],
            content_type=(env.get("CONTENT_TYPE") or "")[:_NAME_CHARACTERS_MAX],
            body=request.body[: self._body_bytes_max].decode("latin-1"),
            ip=request.address,
            user_agent=(env.get("HTTP_USER_AGENT") or "")[:_TEXT_CHARACTERS_MAX],
            merchant_id=received.merchant_id,
            authenticated=received.authenticated,
            answered=received.status,
            reason=received.reason,
            detail=received.detail,
            fields=received.fields,
            nonce=received.nonce,
        )


class JsonPostbackResource:
    """GET and POST of /v1/postback. The token is optional: `Authorization: Bearer`, `X-Postback-Token` or `?token=`."""

    def __init__(self, responder: PostbackResponder) -> None:
        self._responder = responder

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer a postback."""
        scheme, _, credential = (req.get_header("Authorization") or "").partition(" ")
        token = credential.strip() if scheme.lower() in ("bearer", "apikey") else None
        query = req.env.get("QUERY_STRING") or ""
        token = token or req.get_header("X-Postback-Token") or parse_query(query).get("token")
        self._responder.answer(req, resp, "/v1/postback", token or None)

    on_post = on_get


class TokenPostbackResource:
    """GET and POST of /postback/{token}, which do the same. SECURITY: the stored route does not contain the token."""

    def __init__(self, responder: PostbackResponder) -> None:
        self._responder = responder

    def on_get(self, req: falcon.Request, resp: falcon.Response, token: str) -> None:
        """Answer a postback."""
        self._responder.answer(req, resp, "/postback/{token}", token)

    on_post = on_get


def _refuse(resp: falcon.Response, received: ReceivedPostback) -> None:
    assert received.reason is not None, "what is refused has a reason"
    if received.status == 401:
        resp.set_header("WWW-Authenticate", "Bearer")
    set_problem(resp, received.status, received.reason, received.detail or "", received.field)


def _read_body(req: falcon.Request, limit: int) -> bytes:
    """Return the body, or the first `limit` + 1 bytes of a longer one."""
    if req.method == "GET":
        return b""
    stream = req.stream if req.env.get("wsgi.input_terminated") else req.bounded_stream
    body: bytes = stream.read(limit + 1)
    return body


def _without_token(query: str) -> str:
    """Return a query string without the account's token. SECURITY: whoever may read postbacks must not be able to send
    some in the account's name.
    """
    if "token" not in query.lower() and "%" not in query:
        return query
    return "&".join(pair for pair in query.split("&") if "token" not in parse_query(pair))
